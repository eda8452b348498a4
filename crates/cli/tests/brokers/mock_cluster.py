"""A Kafka cluster of one broker, librdkafka's own for tests, until standard input ends.

Prints where it listens. It makes the topics named on the command line, which it could not be asked to over the
network, and keeps the last 5 MiB of each partition."""

import sys

from confluent_kafka import Producer

producer = Producer({"bootstrap.servers": "none", "test.mock.num.brokers": 1, "log_level": 0})
for topic in sys.argv[1:]:
    producer.list_topics(topic, timeout=30)
brokers = producer.list_topics(timeout=30).brokers.values()
print(",".join(f"{broker.host}:{broker.port}" for broker in brokers), flush=True)
sys.stdin.read()
