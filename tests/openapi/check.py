"""The OpenAPI document: valid, true, and all of it within reach of the command line."""

import json
import pathlib
import re
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "run"), str(HERE.parent / "factory")]
import tap

from factory import Factory
from http_calls import call
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

# What no command asks for, and why.
NOT_COMMANDS = {
    "GET /healthz": "for whoever watches the process",
    "GET /readyz": "for whoever watches the process",
    "GET /metrics": "for Prometheus",
    "GET /api/v1/openapi.json": "for programs: bessemer api GET /api/v1/openapi.json",
}
TREE = b"bessemer-tree 1\n"


def operations(document):
    return {f"{method.upper()} {re.sub(r'{[^}]*}', '{}', path)}"
            for path, methods in document["paths"].items() for method in methods}


class OpenApi(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.factory = Factory()
        cls.factory.__enter__()
        cls.document = call(cls.factory, "GET", "/api/v1/openapi.json").json
        cls.checked = set()

    @classmethod
    def tearDownClass(cls):
        cls.factory.__exit__(None, None, None)

    def test_the_document_is_valid(self):
        validate(self.document)

    def test_every_operation_has_a_command_and_every_command_an_operation(self):
        served = operations(self.document)
        asked = set(self.factory.do("__requests").split("\n")) - {""}
        self.assertEqual(served - asked - NOT_COMMANDS.keys(), set(), "no command asks for these")
        self.assertEqual(asked - served, set(), "the API does not have these")
        self.assertEqual(NOT_COMMANDS.keys() - served, set())

    def test_every_list_comes_in_pages(self):
        for path, methods in self.document["paths"].items():
            for operation in methods.values():
                content = operation["responses"].get("200", {}).get("content", {})
                schema = content.get("application/json", {}).get("schema", {})
                if "items" not in schema.get("properties", {}):
                    continue
                with self.subTest(path):
                    parameters = {one["name"] for one in operation["parameters"]}
                    self.assertLessEqual({"limit", "after"}, parameters)

    # ---- answers

    def ask(self, method, path, body=None, status=200):
        """Asks, and checks the answer against the schema that the document gives for it."""
        answer = call(self.factory, method, path, body)
        self.assertEqual(answer.status, status, answer)
        pattern = self.pattern_of(method, path.split("?")[0])
        operation = self.document["paths"][pattern][method.lower()]
        responses = operation["responses"]
        if status >= 400:
            described = self.document["components"]["responses"]["problem"]
        else:
            described = responses[str(status)]
        self.checked.add(operation["operationId"])
        if not described.get("content"):
            self.assertEqual(answer.body, b"", operation["operationId"])
            return None
        (media, content), = described["content"].items()
        self.assertEqual(answer.headers["content-type"].split(";")[0], media)
        if "json" not in media:
            return answer.body
        OAS31Validator(content["schema"]).validate(answer.json)
        if body is not None and not isinstance(body, bytes) and status < 400:
            (_, sent), = operation["requestBody"]["content"].items()
            OAS31Validator(sent["schema"]).validate(body)
        return answer.json

    def pattern_of(self, method, path):
        parts = path.split("/")
        found = [pattern for pattern, methods in self.document["paths"].items()
                 if method.lower() in methods and len(pattern.split("/")) == len(parts)
                 and all(a == b or a.startswith("{") for a, b in zip(pattern.split("/"), parts))]
        return min(found, key=lambda pattern: pattern.count("{"))

    def test_answers_look_as_the_document_says(self):
        ask = self.ask
        self.factory.do("apply", "-f", self.write_setup())
        for path in ("/healthz", "/api/v1/whoami", "/api/v1/status", "/metrics", "/api/v1/orgs",
                     "/api/v1/orgs/acme", "/api/v1/audit", "/api/v1/ledger/balance",
                     "/api/v1/price-books", "/api/v1/price-books/standard", "/api/v1/nodes",
                     "/api/v1/price-books/prices.csv"):
            ask("GET", path)
        for noun in ("principals", "bindings", "keys", "budgets", "quotas", "queues", "invoices",
                     "accounts", "statement", "statement/usage.csv"):
            ask("GET", f"/api/v1/{noun}?org=acme")
        for noun in ("jobs", "services", "endpoints", "datasets", "models", "runs", "pipelines",
                     "pipeline-runs", "secrets", "artifacts"):
            ask("GET", f"/api/v1/{noun}?project=acme/vision")
        project = {"project": "acme/vision"}
        job = ask("POST", "/api/v1/jobs", {**project, "command": ["a"], "tasks": 4000}, 201)
        for more in ("", "/explanation"):
            ask("GET", f"/api/v1/jobs/{job['id']}{more}")
        ask("POST", f"/api/v1/jobs/{job['id']}/cancel", {"why": "enough"})
        data = ask("POST", "/api/v1/datasets", {**project, "name": "d"}, 201)
        ask("POST", "/api/v1/trees?project=acme/vision", TREE)
        ask("GET", "/api/v1/artifacts?project=acme/vision")
        ask("DELETE", f"/api/v1/datasets/{data['id']}", status=204)
        ask("PUT", "/api/v1/secrets/token?project=acme/vision", {"value": "opensesame"})
        ask("PUT", "/api/v1/quotas/keys?org=acme", {"limit": 7})
        key = ask("POST", "/api/v1/keys", {"org": "acme", "name": "k"}, 201)
        ask("GET", f"/api/v1/keys/{key['id']}")
        ask("DELETE", f"/api/v1/keys/{key['id']}", status=204)
        for kind in ("endpoints", "pipelines", "budgets"):
            scope = "org=acme" if kind == "budgets" else "project=acme/vision"
            for thing in ask("GET", f"/api/v1/{kind}?{scope}")["items"]:
                ask("GET", f"/api/v1/{kind}/{thing['id']}")
        ask("POST", "/api/v1/audit/verify")
        ask("POST", "/api/v1/jobs", {"nonsense": 1}, 400)
        ask("GET", "/api/v1/jobs/wl_00000000000000000000000009", status=404)
        self.assertGreater(len(self.checked), 40)

    def write_setup(self):
        path = self.factory.home / "setup.yaml"
        path.write_text("\n---\n".join(json.dumps(one) for one in (
            {"kind": "tenant", "path": "acme"}, {"kind": "project", "path": "acme/vision"},
            {"kind": "budget", "in": "acme", "name": "monthly", "limit": "100 USD"},
            {"kind": "queue", "in": "acme", "pool": "default", "weight": 50},
            {"kind": "model", "in": "acme/vision", "name": "m"},
            {"kind": "pipeline", "in": "acme/vision", "name": "p",
             "steps": [{"name": "a", "job": {"command": ["/bin/true"]}}]},
            {"kind": "endpoint", "in": "acme/vision", "name": "e", "replicas": 0,
             "workload": {"command": ["/bin/true"], "service": {"port": 80}}},
        )))
        return path


if __name__ == "__main__":
    tap.main()
