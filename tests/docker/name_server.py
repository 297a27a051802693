"""A name server as Docker's own: a service's name stands for the addresses of its replicas."""

import socket
import struct
import threading
from types import TracebackType

HEADER = struct.Struct("!HHHHHH")
ANSWERED = 0x8180
NO_SUCH_NAME = 0x8183
ADDRESS = 1


class NameServer:
    """Answers questions for addresses (RFC 1035) on a port of this machine.

    Attributes:
        addresses: of each name; may change while it runs.
        port: that it listens on.
    """

    def __init__(self, addresses: dict[str, list[str]]) -> None:
        self.addresses = addresses
        self._socket = socket.socket(type=socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> "NameServer":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            question, client = self._socket.recvfrom(4096)
            if not question:
                return
            self._socket.sendto(self.answer(question), client)

    def answer(self, question: bytes) -> bytes:
        """Return the answer to the one question of a message."""
        number, *_ = HEADER.unpack_from(question)
        labels, at = [], HEADER.size
        while length := question[at]:
            labels.append(question[at + 1 : at + 1 + length].decode())
            at += 1 + length
        (wanted,) = struct.unpack_from("!H", question, at + 1)
        asked = question[HEADER.size : at + 5]
        known = self.addresses.get(".".join(labels))
        found = (known or []) if wanted == ADDRESS else []
        # The name by reference to the question, class IN, to be kept for no time, four bytes.
        records = [
            struct.pack("!HHHIH", 0xC00C, ADDRESS, 1, 0, 4) + socket.inet_aton(address)
            for address in found
        ]
        state = NO_SUCH_NAME if known is None else ANSWERED
        header = HEADER.pack(number, state, 1, len(records), 0, 0)
        return header + asked + b"".join(records)
