// Bodies that name their node of the organisation by path.
#include "application/api/route.h"
#include "base/check.h"

namespace bessemer::api {

Result<std::pair<std::string, std::string>> take_member(std::string_view body,
                                                        std::string_view name) {
  std::pair<std::string, std::string> parts;
  bool found = false;
  parts.second = "{";
  TRY(json::parse(body, [&](json::Value& root) {
    return root.object([&](std::string_view key, json::Value& value) -> Result<void> {
      if (key == name) {
        if (found) return invalid("is given twice");
        found = true;
        TRY_ASSIGN(parts.first, value.string());
        return {};
      }
      if (parts.second.size() > 1) parts.second += ',';
      json::quote(parts.second, key);
      parts.second += ':';
      TRY_ASSIGN(const std::string raw, value.raw());
      parts.second += raw;
      return {};
    });
  }));
  if (!found) return invalid("is required").at(std::string(name));
  parts.second += "}";
  return parts;
}

std::string schema_with_member(std::string_view name, const std::string& schema) {
  std::string quoted;
  json::quote(quoted, name);
  constexpr std::string_view members = "\"properties\":{";
  std::string out = schema;
  const std::size_t at = out.find(members);
  check(at != std::string::npos && out.ends_with('}'), "a body's schema is not that of a struct");
  const std::size_t first = at + members.size();
  out.insert(first, quoted + ":{\"type\":\"string\"}" + (out[first] == '}' ? "" : ","));
  // What is required comes last, if anything is.
  if (out.ends_with("]}")) {
    out.insert(out.size() - 2, "," + quoted);
  } else {
    out.insert(out.size() - 1, ",\"required\":[" + quoted + "]");
  }
  return out;
}

}  // namespace bessemer::api
