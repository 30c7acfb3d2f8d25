"""Answers that say when to come again."""
import time

import bootstrap
import pytest
import raw
from origin import reply


def retried(**more):
    return [bootstrap.route(retry_policy={"retry_on": "5xx,429,retriable-status-codes", "num_retries": 1, "retry_back_off": {"base_interval": "0.001s"}, **more})]


HEEDED = {"rate_limited_retry_back_off": {"reset_headers": [{"name": "Retry-After"}, {"name": "X-Reset", "format": "UNIX_TIMESTAMP"}]}}


def waited(make_proxy, make_origin, routes, headers):
    """Seconds between the two attempts."""
    times = []

    def answer(request, sock):
        times.append(time.monotonic())
        return reply(b"", "429 Too Many Requests", headers) if len(times) == 1 else reply()
    proxy = make_proxy(make_origin(answer), routes=routes)
    assert raw.get(proxy.port).status == 200
    return times[1] - times[0]


def test_retry_after_is_heeded(make_proxy, make_origin):
    assert waited(make_proxy, make_origin, retried(**HEEDED), [b"Retry-After: 1"]) >= 1


def test_a_time_of_day_is_heeded(make_proxy, make_origin):
    assert waited(make_proxy, make_origin, retried(**HEEDED), [b"X-Reset: %d" % (time.time() + 2)]) >= 0.9


@pytest.mark.parametrize("routes,headers", [(retried(), [b"Retry-After: 8"]), (retried(**HEEDED), [b"Retry-After: 3600"])],
                         ids=["not asked for", "longer than the most"])
def test_else_the_usual_back_off(make_proxy, make_origin, routes, headers):
    """The client waits 10 s; the usual back-off is a millisecond."""
    assert waited(make_proxy, make_origin, routes, headers) < 5


def test_grpc_may_say_no(make_proxy, make_origin):
    origin = make_origin(lambda request, sock: reply(b"", "503 Service Unavailable", [b"grpc-retry-pushback-ms: -1"]))
    proxy = make_proxy(origin, routes=retried())
    assert raw.get(proxy.port).status == 503
    assert len(origin.requests) == 1


@pytest.mark.parametrize("retry_on,attempts", [("5xx,gateway-error,retriable-status-codes", 1), ("envoy-ratelimited", 2)])
def test_what_a_limit_has_refused_is_asked_again_only_where_that_is_said(make_proxy, make_origin, retry_on, attempts):
    origin = make_origin(lambda request, sock: reply(b"", "503 Service Unavailable", [b"x-envoy-ratelimited: true"]))
    policy = {"retry_on": retry_on, "num_retries": 1, "retriable_status_codes": [503], "retry_back_off": {"base_interval": "0.001s"}}
    proxy = make_proxy(origin, routes=[bootstrap.route(retry_policy=policy)])
    assert raw.get(proxy.port).status == 503
    assert len(origin.requests) == attempts
