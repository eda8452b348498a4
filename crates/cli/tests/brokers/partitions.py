"""What a topic holds: partition, key and number of each record, one line each, in the order of each partition.

First it has librdkafka itself write a record for each of the keys, with the number 0."""

import sys

from confluent_kafka import Consumer, Producer

servers, topic, count, *keys = sys.argv[1:]
producer = Producer({"bootstrap.servers": servers, "partitioner": "murmur2_random"})
for key in keys:
    producer.produce(topic, b"", key.encode(), headers={"tinwire-sequence": b"0"})
producer.flush(30)
consumer = Consumer({"bootstrap.servers": servers, "group.id": "keys", "auto.offset.reset": "earliest"})
consumer.subscribe([topic])
left = int(count) + len(keys)
while left > 0:
    for message in consumer.consume(left, timeout=30):
        key = "-" if message.key() is None else message.key().decode()
        print(message.partition(), key, dict(message.headers())["tinwire-sequence"].decode())
        left -= 1
consumer.close()
