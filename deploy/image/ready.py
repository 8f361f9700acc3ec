"""Whether the service in this container can do its work, for Docker's health check; prints what /readyz answers.

It runs in every container every few seconds: hence a bare socket, since importing an HTTP client takes longer.
"""

import os
import socket
import sys

WITHIN_S = 4.0


def main() -> int:
    """Asks the ops port; returns 0 if all that the service needs is there."""
    answer = b""
    try:
        with socket.create_connection(("127.0.0.1", int(os.environ["WORDWATCH_OPS_PORT"])), WITHIN_S) as connection:
            connection.sendall(b"GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n")
            while part := connection.recv(65536):
                answer += part
    except OSError as error:
        print(f"the ops port does not answer: {error}")
        return 1
    head, _, body = answer.partition(b"\r\n\r\n")
    print(body.decode(errors="replace"))
    return 0 if head.split(b" ", 2)[1:2] == [b"200"] else 1


if __name__ == "__main__":
    sys.exit(main())
