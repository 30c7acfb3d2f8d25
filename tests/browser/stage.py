"""The page alone, with an API that a test writes: for what a small mesh of real programs does not show."""
import http.server
import json
import os
import threading
import urllib.parse

PAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "control-plane", "dashboard", "page")
LIBRARIES = {"d3.min.js": "/usr/share/nodejs/d3/dist/d3.min.js", "dagre.min.js": "/usr/share/nodejs/dagre/dist/dagre.min.js",
             "chart.min.js": "/usr/share/javascript/chart.js/chart.min.js"}
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}


class Stage:
    """`answers`: path -> what a GET answers, a JSON value or a function of the query. Others are 404. `posts`: path -> (status, JSON)."""

    def __init__(self, answers):
        self.answers = answers
        self.posts = {"/v1/dashboard/sessions": (201, {"token": "0"}), "/v1/taps": (201, {"id": "1"})}
        self.asked = []  # paths, in order
        self.is_down = False
        stage = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def _reply(self, status, body, media="application/json"):
                self.send_response(status)
                self.send_header("content-type", media)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                address = urllib.parse.urlsplit(self.path)
                if address.path.startswith("/dashboard/"):
                    return self._page(address.path.removeprefix("/dashboard/") or "index.html")
                stage.asked.append(address.path)
                if stage.is_down:
                    return self._reply(502, b'{"error": "cannot connect to the control plane", "hint": "is it running?"}')
                answer = stage.answers.get(address.path)
                if callable(answer):
                    answer = answer(dict(urllib.parse.parse_qsl(address.query)))
                if answer is None:
                    return self._reply(404, b'{"error": "not found"}')
                return self._reply(200, json.dumps(answer).encode())

            def do_POST(self):
                self.rfile.read(int(self.headers.get("content-length", 0)))
                stage.asked.append(self.path)
                status, answer = stage.posts.get(self.path, (404, {"error": "not found"}))
                return self._reply(status, json.dumps(answer).encode())

            def do_DELETE(self):
                self._reply(200, b"{}")

            def _page(self, name):
                path = LIBRARIES.get(name, os.path.join(PAGE, name))
                if not os.path.isfile(path):
                    return self._reply(404, b"")
                with open(path, "rb") as file:
                    return self._reply(200, file.read(), TYPES[os.path.splitext(name)[1]])

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                """The browser has closed a connection."""

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def link(self):
        return "http://127.0.0.1:%d/dashboard/#code=00" % self.server.server_port

    def close(self):
        self.server.shutdown()
        self.server.server_close()
