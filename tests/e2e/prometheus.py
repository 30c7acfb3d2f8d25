"""A real Prometheus that scrapes what a test has started, and the questions that tests ask it."""
import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request

import processes
import raw

# PromQL has no parser in Python. These are enough for expressions without braces or parentheses in their strings.
_STRING = re.compile(r'"[^"]*"')
_GROUPED = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_NAME = re.compile(r"(?<![\w:$.])([a-zA-Z_:][\w:]*)\s*(\{[^}]*\})?(?!\s*\()(?![\w:])")
_RANGE = re.compile(r"\[[^\]]*\]|\b(?:offset|@)\s*\S+")
_WORDS = {"and", "or", "unless", "bool", "by", "without", "on", "ignoring", "group_left", "group_right", "inf", "nan", "le"}


class Rejected(Exception):
    """Prometheus did not understand the question."""


def names_in(expression):
    """{metric: labels that the expression needs of it}; labels by which it groups are needed of each metric in it."""
    grouped = {label.strip() for part in _GROUPED.findall(expression) for label in part.split(",") if label.strip()}
    plain = _RANGE.sub("", _GROUPED.sub(" ", _STRING.sub('""', expression)))
    found = {}
    for name, matchers in _NAME.findall(plain):
        if name.lower() not in _WORDS:
            found.setdefault(name, set(grouped)).update(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
    return found


class Prometheus:
    """Scrapes once a second, as its configuration says. End it with `stop()`."""

    def __init__(self, folder, configuration):
        self.port = processes.free_port()
        path = str(folder / "prometheus.json")  # JSON is YAML
        with open(path, "w", encoding="utf-8") as file:
            json.dump({**configuration, "global": {"scrape_interval": "1s", "scrape_timeout": "1s"}}, file, indent=1)
        self.child = processes.Child([
            processes.program("prometheus"), "--config.file", path, "--storage.tsdb.path", str(folder / "prometheus.data"),
            "--web.listen-address", "127.0.0.1:%d" % self.port, "--enable-feature=exemplar-storage"], str(folder / "prometheus.log"))
        self.child.wait_for_port(self.port)
        processes.wait_until(self._is_ready, "Prometheus is ready:\n" + self.child.log()[-2000:])

    def stop(self):
        self.child.stop()

    def _is_ready(self):
        return raw.get(self.port, "/-/ready").status == 200

    def _ask(self, path, **parameters):
        url = "http://127.0.0.1:%d/api/v1/%s?%s" % (self.port, path, urllib.parse.urlencode(parameters, doseq=True))
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise Rejected(json.load(error).get("error", error.reason)) from error

    def targets(self):
        """Active targets as Prometheus lists them."""
        return self._ask("targets", state="active")["activeTargets"]

    def up(self):
        """{instance} of the targets whose last scrape was good."""
        return {t["labels"]["instance"] for t in self.targets() if t["health"] == "up"}

    def query(self, expression):
        """[(labels, value)] of an instant query."""
        return [(row["metric"], float(row["value"][1])) for row in self._ask("query", query=expression)["result"]]

    def number(self, expression):
        """The one value of the expression; None if there is none."""
        rows = self.query(expression)
        assert len(rows) <= 1, rows
        return rows[0][1] if rows else None

    def exemplars(self, expression):
        """[{"seriesLabels": labels, "exemplars": [...]}] of the last hour."""
        now = time.time()
        return self._ask("query_exemplars", query=expression, start=now - 3600, end=now + 60)

    def labels_of(self, metric):
        """All label names that any series of a metric has; empty: nobody exports it."""
        return {label for series in self._ask("series", **{"match[]": metric}) for label in series}
