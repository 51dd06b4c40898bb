// The OpenAPI 3.1 document, made from the table of routes.
#include <map>

#include "application/api/api.h"
#include "base/text.h"

namespace bessemer::api {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return out;
}

void append_parameter(std::string& out, std::string_view name, std::string_view where,
                      std::string_view what) {
  if (out.back() != '[') out += ',';
  out += "{\"name\":";
  json::quote(out, name);
  out += ",\"in\":";
  json::quote(out, where);
  out += where == "path" ? ",\"required\":true" : ",\"required\":false";
  if (!what.empty()) {
    out += ",\"description\":";
    json::quote(out, what);
  }
  out += ",\"schema\":{\"type\":\"string\"}}";
}

// Of a body or an answer: JSON by its schema, anything else by its media type.
void append_content(std::string& out, std::string (*schema)(), std::string_view type) {
  if (schema == nullptr && type.empty()) return;
  out += ",\"content\":{";
  json::quote(out, type.empty() ? "application/json" : type);
  out += ":{\"schema\":";
  out += schema != nullptr ? schema() : R"({"type":"string"})";
  out += "}}";
}

void append_operation(std::string& out, const Route& route) {
  json::quote(out, lower(http::to_text(route.method)));
  out += ":{\"operationId\":";
  json::quote(out, route.operation);
  out += ",\"summary\":";
  json::quote(out, route.summary);
  out += ",\"tags\":[";
  json::quote(out, enum_text(route.resource));
  out += ']';
  if (route.entry == Entry::anyone) out += ",\"security\":[]";
  if (route.entry == Entry::authorised) {
    out += ",\"x-permission\":";
    json::quote(out, std::string(enum_text(route.resource)) + ":" +
                         std::string(enum_text(route.action)));
  }
  out += ",\"parameters\":[";
  for (const auto piece : split(route.pattern, '/')) {
    if (!piece.starts_with('{')) continue;
    append_parameter(out, piece.substr(1, piece.size() - 2), "path", {});
  }
  for (const Parameter& parameter : route.query) {
    append_parameter(out, parameter.name, "query", parameter.what);
  }
  out += ']';
  if (route.request_schema != nullptr || !route.request_type.empty()) {
    out += ",\"requestBody\":{\"required\":true";
    append_content(out, route.request_schema, route.request_type);
    out += '}';
  }
  out += ",\"responses\":{\"" + std::to_string(route.success) + "\":{\"description\":\"done\"";
  append_content(out, route.answer_schema, route.answer_type);
  out += R"(},"default":{"$ref":"#/components/responses/problem"}}})";
}

}  // namespace

std::string openapi_document() {
  std::map<std::string_view, std::vector<const Route*>> by_pattern;
  for (const Route& route : routes()) by_pattern[route.pattern].push_back(&route);
  std::string out =
      R"({"openapi":"3.1.0","info":{"title":"Bessemer","version":"1",)"
      R"("license":{"name":"Apache-2.0","identifier":"Apache-2.0"}},)"
      R"("servers":[{"url":"/"}],"security":[{"key":[]}],"paths":{)";
  bool first_path = true;
  for (const auto& [pattern, operations] : by_pattern) {
    if (!first_path) out += ',';
    first_path = false;
    json::quote(out, pattern);
    out += ":{";
    for (const Route* route : operations) {
      if (route != operations.front()) out += ',';
      append_operation(out, *route);
    }
    out += '}';
  }
  out +=
      R"(},"components":{"securitySchemes":{"key":{"type":"http","scheme":"bearer"}},)"
      R"("responses":{"problem":{"description":"refused: RFC 9457 problem details",)"
      R"("content":{"application/problem+json":{"schema":{"type":"object","properties":{)"
      R"("type":{"type":"string"},"title":{"type":"string"},"status":{"type":"integer"},)"
      R"("detail":{"type":"string"},"field":{"type":"string"},"remedy":{"type":"string"},)"
      R"("reason":{"type":"string"}}}}}}}}})";
  return out;
}

}  // namespace bessemer::api
