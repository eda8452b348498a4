"""Orders come in on standard input, news go out on standard output: a word, a space and the rest, per line."""

import importlib.metadata
import json
import platform
import sys
import threading

_lock = threading.Lock()


def tell(word, rest=""):
    """Tells the test something. Any thread may."""
    with _lock:
        sys.stdout.write(f"{word} {rest}\n")
        sys.stdout.flush()


def ready(*packages):
    """The first news: the versions of these packages, and of Python."""
    versions = {name: importlib.metadata.version(name) for name in packages}
    tell("ready", json.dumps({**versions, "Python": platform.python_version()}))


def orders():
    """The orders of the test, one after the other, until it hangs up."""
    for line in sys.stdin:
        word, _, rest = line.rstrip("\n").partition(" ")
        yield word, rest
