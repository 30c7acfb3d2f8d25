"""Asks a URL at an even rate until it is ended, and counts every answer.

    load.py URL RATE METHOD...

Requests are due at even times, whether earlier ones have been answered or not, and take the methods in turn. A POST may be sent
again only if no one has seen it. Connections are kept, for at most 50 requests. Answers GET on port 9000 with the figures since
the last time it was asked, as JSON: requests, slowest (seconds, from the due time), failures (a list of times and reasons)."""
import asyncio
import json
import os
import signal
import sys
import time
import urllib.parse

LIMIT = 10  # seconds for an answer
USES = 50


class Connection:
    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer
        self.uses = 0

    async def ask(self, request):
        """The status; whether the connection may be kept."""
        self.writer.write(request)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = head.split("content-length:")[1].split("\r\n")[0]
        await self.reader.readexactly(int(length))
        self.uses += 1
        return head.split(" ")[1], "connection: close" not in head and self.uses < USES


class Load:
    def __init__(self, url, rate, methods):
        parts = urllib.parse.urlsplit(url)
        self.host, self.port = parts.hostname, parts.port or 80
        self.rate = rate
        rest = " / HTTP/1.1\r\nHost: %s\r\nContent-Length: 2\r\n\r\nhi" % parts.netloc
        self.requests = [(method + rest).encode() for method in methods]
        self.idle = []
        self.reset()

    def reset(self):
        self.figures = {"requests": 0, "slowest": 0, "failures": []}

    def fail(self, reason):
        self.figures["failures"].append([time.strftime("%H:%M:%S"), reason])

    async def one(self, number, due):
        connection = None
        try:
            connection = self.idle.pop() if self.idle else Connection(*await asyncio.open_connection(self.host, self.port))
            status, keep = await connection.ask(self.requests[number % len(self.requests)])
            if status != "200":
                self.fail(status)
            if keep:
                self.idle.append(connection)
                connection = None
        except Exception as error:  # Whatever it is, this request has not been answered.
            self.fail(repr(error))
        finally:
            if connection is not None:
                connection.writer.close()
            self.figures["requests"] += 1
            self.figures["slowest"] = max(self.figures["slowest"], time.monotonic() - due)

    async def guarded(self, number, due):
        try:
            await asyncio.wait_for(self.one(number, due), LIMIT)
        except asyncio.TimeoutError:
            self.fail("no answer in %d s" % LIMIT)

    async def run(self):
        start, number, running = time.monotonic(), 0, set()
        while True:
            due = start + number / self.rate
            await asyncio.sleep(max(0, due - time.monotonic()))
            task = asyncio.ensure_future(self.guarded(number, due))
            running.add(task)
            task.add_done_callback(running.discard)
            number += 1

    async def report(self, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        body = json.dumps(self.figures).encode()
        self.reset()
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()


async def main():
    if len(sys.argv) < 4:
        sys.exit("usage: load.py URL RATE METHOD...")
    load = Load(sys.argv[1], float(sys.argv[2]), sys.argv[3:])
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: os._exit(0))
    await asyncio.start_server(load.report, "0.0.0.0", 9000)
    await load.run()


asyncio.run(main())
