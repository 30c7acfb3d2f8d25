"""Other spellings of what a rule or a header means, against a static file: they mean the same."""
import bootstrap
import pytest
import raw

CLAIMS = ("X_Forwarded_Client_Cert", "x-forwarded_client-cert", "Client-Cert", "Client_Cert_Chain")


def deny(permission):
    return {"name": "envoy.filters.http.rbac", "typed_config": {
        "@type": bootstrap.TYPE + "extensions.filters.http.rbac.v3.RBAC",
        "rules": {"action": "DENY", "policies": {"denied": {"permissions": [permission], "principals": [{"any": True}]}}}}}


@pytest.mark.parametrize("spelling", ["admin.test", "admin.test:80"])
def test_a_rule_on_the_authority_matches_it_with_and_without_the_port_of_http(make_proxy, origin, spelling):
    proxy = make_proxy(origin, filters=[deny({"header": {"name": ":authority", "string_match": {"exact": spelling}}})])
    assert [raw.get(proxy.port, host=host).status for host in ("admin.test", "admin.test:80", "ADMIN.test:80")] == [403] * 3
    assert [raw.get(proxy.port, host=host).status for host in ("admin.test:8080", "user.test", "user.test:80")] == [200] * 3
    assert [request.header("host") for request in origin.requests] == [["admin.test:8080"], ["user.test"], ["user.test:80"]]


def test_a_virtual_host_is_found_with_and_without_the_port_of_http(make_proxy, origin):
    hosts = [{"name": "admin", "domains": ["admin.test"], "routes": [{"match": {"prefix": "/"}, "direct_response": {"status": 404}}]},
             {"name": "all", "domains": ["*"], "routes": [bootstrap.route()]}]
    proxy = make_proxy(origin, virtual_hosts=hosts)
    assert [raw.get(proxy.port, host=host).status for host in ("admin.test", "admin.test:80", "user.test")] == [404, 404, 200]


def test_slashes_are_merged_before_rules_are_asked(make_proxy, origin):
    proxy = make_proxy(origin, filters=[deny({"url_path": {"path": {"exact": "/admin"}}})])
    assert [raw.get(proxy.port, path).status for path in ("/admin", "//admin", "/./admin", "///admin")] == [403] * 4
    assert raw.get(proxy.port, "//user//a").status == 200
    assert origin.requests[-1].path == "/user/a"


def test_a_file_that_turns_normalization_off_keeps_slashes(make_proxy, origin):
    proxy = make_proxy(origin, normalize_path=False)
    assert raw.get(proxy.port, "//user").status == 200
    assert origin.requests[-1].path == "//user"


def test_no_header_claims_a_certificate_that_was_not_seen(make_proxy, origin):
    proxy = make_proxy(origin)
    with raw.Raw(proxy.port) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nx-kept: yes\r\n" + b"".join(b"%s: :MIIB:\r\n" % name.encode() for name in CLAIMS) + b"\r\n")
        assert client.response().status == 200
    assert [origin.requests[-1].header(name) for name in CLAIMS] == [[]] * len(CLAIMS)
    assert origin.requests[-1].header("x-kept") == ["yes"]


def test_local_replies_tell_the_date(make_proxy, origin):
    proxy = make_proxy(origin, filters=[deny({"any": True})])
    [date] = raw.get(proxy.port).header("date")
    assert date.endswith(" GMT") and len(date) == len("Sun, 06 Nov 1994 08:49:37 GMT")
