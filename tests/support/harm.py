"""What a file may do to the process that reads it, as the place of a batch that acts when it is compared."""

import os
import signal
import sys
from dataclasses import dataclass


class ClientPayloadError(Exception):
    """As that of aiohttp."""


class NoCredentialsError(Exception):
    """As that of botocore, by which it is known."""

    __module__ = "botocore.exceptions"


@dataclass(frozen=True, eq=False)
class Harm:
    """The place of a batch; another process must find this module."""

    kind: str

    def __ne__(self, other):
        getattr(self, self.kind)()
        return False

    def crash(self):
        os.kill(os.getpid(), signal.SIGSEGV)

    def memory(self):
        bytearray(2**31)

    def time(self):
        # Without the two minutes that a real file may take.
        reading = sys.modules["__main__"]
        reading.PROCESSOR_SECONDS = 1
        reading._limit_time()
        while True:
            pass

    def fault(self):
        raise KeyError("Secret")

    def connection(self):
        raise ClientPayloadError("Secret")

    def credentials(self):
        raise NoCredentialsError

    def stall(self):
        os.kill(os.getpid(), signal.SIGSTOP)
