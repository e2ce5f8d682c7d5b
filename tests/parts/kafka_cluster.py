"""Three brokers of librdkafka, which fail as a test wants; the library's Python side does not have these functions."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import confluent_kafka

TOPIC = b"events"
_PRODUCER, _PRODUCE_REQUEST = 0, 0
_POINTERS = "rd_kafka_new", "rd_kafka_mock_cluster_new"
_FUNCTIONS: dict[str, list[Any]] = {
    "rd_kafka_new": [ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t],
    "rd_kafka_destroy": [ctypes.c_void_p],
    "rd_kafka_mock_cluster_new": [ctypes.c_void_p, ctypes.c_int],
    "rd_kafka_mock_cluster_destroy": [ctypes.c_void_p],
    "rd_kafka_mock_cluster_bootstraps": [ctypes.c_void_p],
    "rd_kafka_mock_topic_create": [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int],
    "rd_kafka_mock_topic_set_error": [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int],
    "rd_kafka_mock_partition_set_leader": [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32, ctypes.c_int32],
    "rd_kafka_mock_push_request_errors": [ctypes.c_void_p, ctypes.c_int16, ctypes.c_size_t, ctypes.c_int],
}


class Brokers:
    """A cluster with the topic `events` of one partition; `port` is the first broker's."""

    def __init__(self) -> None:
        (file,) = Path(confluent_kafka.__file__).parent.with_name("confluent_kafka.libs").glob("librdkafka*")
        self._library = ctypes.CDLL(str(file))
        for name, kinds in _FUNCTIONS.items():
            function = getattr(self._library, name)
            function.argtypes, function.restype = kinds, ctypes.c_void_p if name in _POINTERS else ctypes.c_int
        self._library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
        self._owner = self._library.rd_kafka_new(_PRODUCER, None, None, 0)
        self._cluster = self._library.rd_kafka_mock_cluster_new(self._owner, 3)
        self._library.rd_kafka_mock_topic_create(self._cluster, TOPIC, 1, 3)
        names = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()
        self.port = int(names.split(",")[0].rpartition(":")[2])

    def lead(self, broker: int) -> None:
        """Makes `broker`, 1 to 3, the one that takes messages."""
        self._library.rd_kafka_mock_partition_set_leader(self._cluster, TOPIC, 0, broker)

    def refuse_next(self, code: int) -> None:
        """Answers the next messages with an error of Kafka's."""
        self._library.rd_kafka_mock_push_request_errors(self._cluster, _PRODUCE_REQUEST, 1, code)

    def refuse_topic(self, code: int) -> None:
        """Answers who asks for the topic so."""
        self._library.rd_kafka_mock_topic_set_error(self._cluster, TOPIC, code)

    def close(self) -> None:
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy(self._owner)
