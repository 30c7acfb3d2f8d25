"""An application as teams write them: HTTP/1.1 with kept connections on one or more ports; it knows nothing of the mesh.

    web.py PORT... [--delay SECONDS] [--end now|gracefully]

GET and POST are answered with the name of the pod, the port and who called:  NAME PORT PEER
GET /call?URL is answered with what that URL answers, or with the error: the application calls another one.
On SIGTERM it stops accepting, answers what it has begun and ends; `--end now`: it ends."""
import argparse
import asyncio
import os
import signal
import socket
import urllib.request

NAME = socket.gethostname()


def call(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.read().decode().strip()
    except OSError as error:
        return "failed: %s" % error


class Web:
    def __init__(self, delay):
        self.delay = delay
        self.busy = 0
        self.ending = False
        self.idle = set()

    async def serve(self, reader, writer):
        try:
            while not self.ending:
                self.idle.add(writer)
                head = await reader.readuntil(b"\r\n\r\n")
                self.idle.discard(writer)
                self.busy += 1
                try:
                    await self.answer(head, reader, writer)
                finally:
                    self.busy -= 1
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.idle.discard(writer)
            writer.close()

    async def answer(self, head, reader, writer):
        lines = head.decode("latin-1").split("\r\n")
        for line in lines[1:]:
            name, _, value = line.partition(":")
            if name.lower() == "content-length":
                await reader.readexactly(int(value))
        await asyncio.sleep(self.delay)
        path = lines[0].split(" ")[1]
        if path.startswith("/call?"):
            text = await asyncio.get_running_loop().run_in_executor(None, call, path[len("/call?"):])
        else:
            text = "%s %d %s" % (NAME, writer.get_extra_info("sockname")[1], writer.get_extra_info("peername")[0])
        body = (text + "\n").encode()
        close = b"Connection: close\r\n" if self.ending else b""
        writer.write(b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s" % (close, len(body), body))
        await writer.drain()

    async def end(self, servers):
        """As the servers of most languages do it."""
        self.ending = True
        for server in servers:
            server.close()
        for writer in list(self.idle):
            writer.close()
        while self.busy:
            await asyncio.sleep(0.005)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ports", nargs="+", type=int)
    parser.add_argument("--delay", type=float, default=0)
    parser.add_argument("--end", choices=["now", "gracefully"], default="gracefully")
    options = parser.parse_args()
    web = Web(options.delay)
    servers = [await asyncio.start_server(web.serve, "0.0.0.0", port) for port in options.ports]
    ended = asyncio.Event()
    end = ended.set if options.end == "gracefully" else lambda: os._exit(0)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end)
    await ended.wait()
    await web.end(servers)


asyncio.run(main())
