"""A gRPC server that knows grpc.health.v1.Health/Check alone, and answers SERVING:  grpc_health.py PORT"""
import socketserver
import sys

import h2.config
import h2.connection
import h2.events

SERVING = bytes([0, 0, 0, 0, 2, 8, 1])  # a message of two bytes: status = 1


class Health(socketserver.BaseRequestHandler):
    def handle(self):
        state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        state.initiate_connection()
        self.request.sendall(state.data_to_send())
        while data := self.request.recv(65536):
            for event in state.receive_data(data):
                if isinstance(event, h2.events.StreamEnded):
                    state.send_headers(event.stream_id, [(":status", "200"), ("content-type", "application/grpc")])
                    state.send_data(event.stream_id, SERVING)
                    state.send_headers(event.stream_id, [("grpc-status", "0")], end_stream=True)
            self.request.sendall(state.data_to_send())


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


Server(("0.0.0.0", int(sys.argv[1])), Health).serve_forever()
