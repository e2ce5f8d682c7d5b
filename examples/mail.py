"""A mail with a picture when an event starts: an output of one's own, for what streamseg has none for.

SMTP_PASSWORD=... python examples/mail.py 0 smtp.example.org me@example.org
"""

from __future__ import annotations

import os
import smtplib
import sys
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage

import cv2

import streamseg

RULES = {"visitor": "person.area > 5 % for 1 s"}


class Mail:
    blocking = True  # a thread of its own: encoding a picture takes a while

    def __init__(self, server: str, address: str) -> None:
        self._server, self._address = server, address
        self._sender = ThreadPoolExecutor(1)  # and one that waits for the server

    def write(self, shown: streamseg.Shown) -> None:
        for event in shown.events:
            if event.kind == "start":
                jpeg = cv2.imencode(".jpg", shown.image)[1].tobytes()
                self._sender.submit(self._send, f"{event.rule}: {event.value:.1f} {event.unit}", jpeg)

    def close(self) -> None:
        self._sender.shutdown()

    def _send(self, subject: str, jpeg: bytes) -> None:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = self._address, self._address, subject
        mail.add_attachment(jpeg, "image", "jpeg", filename="event.jpg")
        try:
            with smtplib.SMTP_SSL(self._server, timeout=10) as server:
                server.login(self._address, os.environ["SMTP_PASSWORD"])
                server.send_message(mail)
        except OSError as error:  # smtplib's own errors are of this kind
            print(f"not mailed: {error}", file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        print("usage: python examples/mail.py SOURCE SERVER ADDRESS", file=sys.stderr)
        sys.exit(2)
    streamseg.open(sys.argv[1], Mail(*sys.argv[2:]), model="person", rules=RULES).run()
