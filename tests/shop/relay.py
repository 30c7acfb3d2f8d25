"""Passes bytes between two sidecars and keeps a copy:  relay.py LISTEN TARGET FILE"""
import asyncio
import sys


async def pump(reader, writer, record):
    try:
        while True:
            data = await reader.read(1 << 16)
            if not data:
                break
            record.write(data)
            record.flush()
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.close()


async def main(listen, target, path):
    with open(path, "ab") as record:
        async def serve(reader, writer):
            try:
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target)
            except OSError:
                writer.close()
                return
            await asyncio.gather(pump(reader, far_writer, record), pump(far_reader, writer, record))
            far_writer.close()
            writer.close()
        server = await asyncio.start_server(serve, "127.0.0.1", listen)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
