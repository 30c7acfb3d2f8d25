"""The dashboard as a user sees it: nothing without the link, traffic, a failing service, traces, explanations, texts of strangers that stay texts."""
import contextlib
import http.client
import json
import os
import re
import socket
import sys
import threading
import time

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "e2e")]

import processes  # noqa: E402
import raw  # noqa: E402
from browser import Browser  # noqa: E402
from mesh import Mesh  # noqa: E402
from origin import reply  # noqa: E402
from span_sender import SpanSender  # noqa: E402

TRACED = """\
apiVersion: tulle.dev/v1alpha1
kind: TelemetryPolicy
metadata: {name: all}
spec: {targetRef: {kind: Mesh}, tracing: {sampling: 100}}
"""
LINK = re.compile(r"http://127\.0\.0\.1:(\d+)/dashboard/#code=[0-9a-f]{64}")
# The longest time in which the page has done nothing else, and a text into its field.
WATCH_TASKS = """window.longest = 0;
                 new PerformanceObserver((list) => list.getEntries()
               .forEach((e) => { window.longest = Math.max(window.longest, e.duration); })).observe({entryTypes: ["longtask"]});"""
FIND = """const field = document.querySelector("input[type=search]");
          field.value = arguments[0];
          field.dispatchEvent(new Event("input"));"""
HOSTILE = "/<img/src=x/onerror=document.title='taken'>"


class Callers:
    """Requests all the time, until the end."""

    def __init__(self, port, targets):
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._call, args=(port, targets), daemon=True)
        self.thread.start()

    def _call(self, port, targets):
        while not self.over.wait(0.05):
            for host, path, headers in targets:
                try:
                    raw.get(port, path, host=host, headers=headers)
                except (OSError, EOFError):
                    pass

    def close(self):
        self.over.set()
        self.thread.join()


def open_door(mesh):
    """(the running `tullectl dashboard`, its link)"""
    door = mesh.start([mesh.binary("control-plane/cli/tullectl"), "--server", "https://127.0.0.1:%d" % mesh.api,
                       "--credential-file", mesh.admin_file, "dashboard", "--no-open"], "dashboard-%d" % len(mesh.children))
    link = processes.wait_until(lambda: LINK.search(door.log()), "the link is printed:\n" + door.log(), 20)
    return door, link[0]


class Shop:
    """A caller, a service that answers and one that fails."""

    def __init__(self, folder):
        self.mesh = Mesh(folder)
        self.callers = None
        try:
            self.mesh.apply(TRACED)
            for name in ("good", "broken"):
                self.mesh.add(name)
            broken = self.mesh.workloads[1]
            broken.origin.answer = lambda request, sock: reply(b"", "500 Internal Server Error")
            web = self.mesh.add("web")
            processes.wait_until(lambda: raw.get(web.outbound, "/", host="good").status == 200, "the mesh answers")
            hostile = [("User-Agent", "<script>document.title='taken'</script>")]
            self.callers = Callers(web.outbound, [("good", "/shelf/7", []), ("good", HOSTILE, hostile), ("broken", "/", [])])
        except BaseException:
            self.close()
            raise

    def open_door(self):
        return open_door(self.mesh)

    def close(self):
        if self.callers:
            self.callers.close()
        self.mesh.close()


@pytest.fixture(scope="module", name="shop")
def fixture_shop(tmp_path_factory):
    made = Shop(tmp_path_factory.mktemp("shop"))
    yield made
    made.close()


@pytest.fixture(scope="module", name="chromium")
def fixture_chromium(tmp_path_factory):
    made = Browser(tmp_path_factory.mktemp("chromium"))
    yield made
    made.close()


@pytest.fixture(scope="module", name="door")
def fixture_door(shop):
    return shop.open_door()


@pytest.fixture(name="page")
def fixture_page(chromium, door):
    """The browser, logged in."""
    _, link = door
    if not chromium.run("try { return sessionStorage.getItem('tulle-session') } catch { return null }"):
        chromium.open(link)
        chromium.wait_for(".tile", "Success")
    yield chromium
    assert not chromium.complaints()
    assert "taken" not in chromium.driver.title


def call(link, method, path, body=None, **headers):
    """(status, headers, body) of a request to the door that serves the link."""
    port = int(LINK.search(link)[1])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    return response.status, dict((n.lower(), v) for n, v in response.getheaders()), response.read().decode()


def test_without_a_login_nothing_is_shown(chromium, door):
    _, link = door
    chromium.open(link.split("#")[0])
    chromium.wait_for_text("tullectl dashboard")
    assert not chromium.all(".tile") and not chromium.all(".node")
    assert "broken" not in chromium.text()
    chromium.picture("logged-out")
    for path in ("/v1/services", "/v1/traffic", "/v1/policies"):
        assert call(link, "GET", path)[0] == 401
    assert call(link, "GET", "/v1/services", Authorization="Bearer " + "0" * 64)[0] == 401


def test_a_link_works_once_and_leaves_no_code(chromium, shop):
    _, link = shop.open_door()
    chromium.open(link)
    chromium.wait_for(".tile", "Success")
    assert chromium.driver.current_url.split("#")[0] == link.split("#")[0] and "code" not in chromium.driver.current_url
    code = link.split("=")[1]
    status, _, body = call(link, "POST", "/v1/dashboard/sessions", json.dumps({"code": code}))
    assert status == 401 and "used" in body, body


def test_other_sites_and_other_calls_are_refused(shop):
    _, link = shop.open_door()
    code = json.dumps({"code": link.split("=")[1]})
    assert call(link, "POST", "/v1/dashboard/sessions", code, Origin="http://evil.example")[0] == 403
    assert call(link, "GET", "/dashboard/", Host="evil.example")[0] == 403
    status, headers, body = call(link, "POST", "/v1/dashboard/sessions", code)
    assert status == 201 and headers["cache-control"] == "no-store", (status, headers)
    token = "Bearer " + json.loads(body)["token"]
    assert call(link, "GET", "/v1/services", Authorization=token)[0] == 200
    # The credential behind it is an admin's: the page may not use it for that.
    forbidden = (("POST", "/v1/apply"), ("POST", "/v1/tokens"), ("POST", "/v1/backup"), ("DELETE", "/v1/policies/TelemetryPolicy/default/all"),
                 ("GET", "/v1/credentials"), ("GET", "/v1/taps"), ("POST", "/v1/taps/1-a"), ("POST", "/v1/taps/a=1-a%2Fx"), ("DELETE", "/v1/taps/a:9443%2Fproxy=1-a"))
    for method, path in forbidden:
        assert call(link, method, path, "" if method == "POST" else None, Authorization=token)[0] == 403, path
    assert "TelemetryPolicy" in shop.mesh.tullectl("get", "TelemetryPolicy", "all", "-o", "yaml")
    headers = call(link, "GET", "/dashboard/")[1]
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
    assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"


def test_other_users_of_the_host_cannot_take_all_connections(shop):
    _, link = shop.open_door()
    port = int(LINK.search(link)[1])
    guess = b"POST /v1/dashboard/sessions HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: 11\r\n\r\n{\"code\":\"\"}" % port
    with contextlib.ExitStack() as others:
        for number in range(200):
            other = others.enter_context(socket.create_connection(("127.0.0.1", port)))
            if number % 2:
                other.sendall(guess)
        status, _, body = call(link, "POST", "/v1/dashboard/sessions", json.dumps({"code": link.split("=")[1]}))
        assert status == 201, body
        assert call(link, "GET", "/v1/services", Authorization="Bearer " + json.loads(body)["token"])[0] == 200


def test_traffic_appears_and_the_failing_service_is_red(page):
    page.go("#/mesh")
    page.wait_for(".node", "broken")
    page.choose("Last", "10")  # what failed while the mesh began is older
    page.wait_for("a.node.bad[data-service='broken.default']", "0.00 %")
    page.wait_for("a.node.good[data-service='good.default']", "100 %")
    page.wait_for(".attention li", "broken.default")
    assert page.run("return document.querySelectorAll('path.edge.bad').length") == 1
    for theme in ("light", "dark"):
        page.theme(theme)
        page.picture("mesh-" + theme)
    page.click("button.view", "Table")
    page.wait_for("td", "broken.default")
    page.wait_for("td", "500 (")
    page.click("button.view", "Graph")


def test_a_service_shows_its_charts_callers_and_endpoints(page):
    page.go("#/service/default/broken")
    page.wait_for("h1", "broken")
    page.wait_for("td", "web.default")
    page.wait_for("td", "healthy")
    page.wait_for("code", "/sa/broken")
    # Something was drawn: a chart that is empty, or that the page's policy refuses, has one colour.
    drawn = """const c = document.querySelector('.chart canvas');
               const data = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
               return new Set(new Uint32Array(data.buffer)).size"""
    processes.wait_until(lambda: page.run(drawn) > 10, "a chart is drawn")
    for theme in ("light", "dark"):
        page.theme(theme)
        page.picture("service-" + theme)


def test_a_trace_opens(page):
    page.go("#/traces")
    page.wait_for("td", "/shelf/7")
    page.picture("traces")
    page.click("td a", "/shelf/7")
    page.wait_for(".span", "web")
    page.wait_for(".span", "good")
    assert len(page.all(".span-mesh")) >= 2, "the mesh's own time is shown apart"
    page.wait_for("dd", "200")
    for theme in ("light", "dark"):
        page.theme(theme)
        page.picture("trace-" + theme)


def test_texts_of_strangers_stay_texts(page):
    page.go("#/traces")
    page.wait_for("td a", "<img/src=x/onerror")
    page.click("td a", "<img/src=x/onerror")
    page.wait_for("h1", "<img/src=x/onerror")
    page.wait_for("dd", "<script>")
    assert not page.all("main img") and not page.all("main script")
    assert page.driver.title != "taken"


def test_errors_are_grouped_and_one_is_explained(page):
    page.go("#/errors")
    page.wait_for("td", "broken")
    page.click("td button.link", "answer of the service")
    page.wait_for("h2", "Requests: answer of the service, 500")
    for theme in ("light", "dark"):
        page.theme(theme)
        page.picture("errors-" + theme)
    page.click("td a", "Explain")  # one click away
    page.wait_for(".verdict-text", "answered 500")
    page.wait_for(".hop h3", "web.default calls broken.default")
    page.wait_for(".hop.decides", "500")
    explained = page.wait_for("code", "tullectl explain ").get_attribute("textContent").split()[-1]
    page.picture("explanation")
    page.click("p a", "View trace")
    page.wait_for(".span", "broken")
    page.click("p a", "Explain")  # by the trace's ID
    page.wait_for(".hop h3", "web.default calls broken.default")
    page.go("#/request/" + explained)
    page.wait_for(".crumbs", explained)
    page.go("#/request/none-has-this")
    page.wait_for("h2", "no sidecar knows a request")
    assert all("none-has-this" in line and "404" in line for line in page.complaints())


def test_requests_are_tapped(page):
    page.go("#/tap")
    page.click("button.main", "Start")
    page.wait_for("td", "/shelf/7")
    page.wait_for("td", "<img/src=x/onerror")
    page.picture("tap")
    page.click("td button.link", "<img/src=x/onerror")
    page.wait_for("h2", "Request")
    assert not page.all("main img")
    page.click("button.main", "Stop")


def test_proxies_and_policies(page):
    page.go("#/proxies")
    for name in ("good", "broken", "web"):
        page.wait_for("td", name)
    page.wait_for("td", "synced")
    page.wait_for("th", "Certificate expires in")
    page.click("td a", "broken-")
    page.wait_for("td", "listeners")
    page.wait_for("dd", "/sa/broken")
    page.picture("proxies")
    page.go("#/policies")
    page.click("td a", "all")
    page.wait_for("pre", "sampling: 100")
    page.wait_for(".version", "created")
    page.picture("policy")


def test_it_is_usable_by_keyboard_and_on_a_small_screen(page):
    page.go("#/services")
    page.wait_for("td a", "good.default")
    page.run("document.querySelector('td a[data-key=\"good.default\"]').focus()")
    page.driver.switch_to.active_element.send_keys("\n")
    page.wait_for("h1", "good")
    page.driver.set_window_size(420, 900)
    try:
        page.go("#/mesh")
        page.wait_for(".tile", "Success")
        assert page.run("return document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the screen"
        page.picture("mesh-small")
    finally:
        page.driver.set_window_size(1440, 1200)


def test_the_page_says_when_its_door_is_closed(shop, chromium):
    door, link = shop.open_door()
    chromium.open(link)
    chromium.wait_for(".tile", "Success")
    assert door.stop() == 0
    chromium.wait_for("#problem p", "is `tullectl dashboard` still running?")
    assert chromium.all(".tile"), "what was known is still shown"
    chromium.complaints()


@pytest.fixture(name="many_traces")
def fixture_many_traces(tmp_path):
    """A control plane that keeps 10,000 traces of ten services."""
    mesh = Mesh(tmp_path)
    try:
        sender = SpanSender(mesh)
        for at in range(10):
            sender.send("service-%d" % at, range(1000 * at, 1000 * (at + 1)))
        sender.close()
        yield mesh
    finally:
        mesh.close()


def test_10000_traces_are_searched(chromium, many_traces):
    door, link = open_door(many_traces)
    chromium.open(link)
    chromium.wait_for(".tile", "Success")
    chromium.run(WATCH_TASKS)
    chromium.go("#/traces")
    chromium.wait_for("caption", "The newest 200 of 10000 traces that match; 10000 are kept")
    chromium.wait_for("td a", "/item/9999")
    searches = (("/item/77", "111 traces match", "/item/7799"), ("service-3", "The newest 200 of 1000", "/item/3999"),
                ("GET /item/4321", "1 trace matches", "/item/4321"), ((b"trace%011d" % 5432).hex(), "1 trace matches", "/item/5432"))
    for text, caption, path in searches:
        began = time.monotonic()
        chromium.run(FIND, text)
        chromium.wait_for("caption", caption)
        chromium.wait_for("td a", path)
        assert time.monotonic() - began < 5, text
    chromium.run(FIND, "")
    chromium.choose("Status", "failed")
    chromium.wait_for("caption", "100 traces match")
    chromium.choose("At least", "100")  # number 1000 and those after it
    chromium.wait_for("caption", "90 traces match")
    chromium.picture("traces-10000")
    chromium.choose("Status", "")
    chromium.choose("At least", "")
    assert chromium.run("return window.longest") < 1000, "the page was stuck"
    assert not chromium.complaints()
    assert door.stop() == 0
