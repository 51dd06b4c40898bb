// JSON scanning by simdjson's on-demand parser, which no header of ours includes.
#include "base/json.h"

#include <charconv>
#include <cmath>

#include <simdjson.h>

namespace bessemer::json {
namespace {

namespace od = simdjson::ondemand;

od::value& value_of(void* handle) { return *static_cast<od::value*>(handle); }

Error refusal(simdjson::error_code code, const char* expected) {
  switch (code) {
    case simdjson::INCORRECT_TYPE: return invalid(std::string("must be ") + expected);
    case simdjson::NUMBER_OUT_OF_RANGE: return invalid("is out of range");
    case simdjson::NUMBER_ERROR: return invalid(std::string("must be ") + expected);
    default: return invalid(std::string("malformed JSON: ") + simdjson::error_message(code));
  }
}

// The nesting of a document, found without parsing: a bound before recursion starts.
bool too_deep(std::string_view text) {
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      else if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > limits::json_depth) return true;
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return false;
}

}  // namespace

void quote(std::string& out, std::string_view text) {
  constexpr std::string_view hex = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\t': out += "\\t"; break;
      case '\r': out += "\\r"; break;
      default:
        if (byte < 0x20) {
          out += "\\u00";
          out += hex[byte >> 4];
          out += hex[byte & 15];
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

void number(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  char text[40];
  const auto [end, code] = std::to_chars(text, text + sizeof text, value);
  out.append(text, end);
}

bool Value::is_null() {
  bool null = false;
  return value_of(handle_).is_null().get(null) == simdjson::SUCCESS && null;
}

bool Value::is_object() {
  od::json_type type{};
  return value_of(handle_).type().get(type) == simdjson::SUCCESS &&
         type == od::json_type::object;
}

bool Value::is_string() {
  od::json_type type{};
  return value_of(handle_).type().get(type) == simdjson::SUCCESS &&
         type == od::json_type::string;
}

bool Value::is_array() {
  od::json_type type{};
  return value_of(handle_).type().get(type) == simdjson::SUCCESS && type == od::json_type::array;
}

Result<bool> Value::boolean() {
  bool out = false;
  if (const auto code = value_of(handle_).get_bool().get(out)) {
    return refusal(code, "true or false");
  }
  return out;
}

Result<std::int64_t> Value::integer() {
  std::int64_t out = 0;
  if (const auto code = value_of(handle_).get_int64().get(out)) {
    return refusal(code, "a whole number");
  }
  return out;
}

Result<std::uint64_t> Value::unsigned_integer() {
  std::uint64_t out = 0;
  if (const auto code = value_of(handle_).get_uint64().get(out)) {
    return refusal(code, "a whole number, not negative");
  }
  return out;
}

Result<double> Value::real() {
  double out = 0;
  if (const auto code = value_of(handle_).get_double().get(out)) return refusal(code, "a number");
  return out;
}

Result<std::string> Value::string() {
  std::string_view out;
  if (const auto code = value_of(handle_).get_string().get(out)) return refusal(code, "a string");
  return std::string(out);
}

Result<void> Value::object(Visit<Result<void>(std::string_view, Value&)> visit) {
  od::object object;
  if (const auto code = value_of(handle_).get_object().get(object)) {
    return refusal(code, "an object");
  }
  for (auto field : object) {
    std::string_view borrowed;
    if (const auto code = field.unescaped_key().get(borrowed)) return refusal(code, "an object");
    const std::string key(borrowed);
    od::value inner;
    if (const auto code = field.value().get(inner)) return refusal(code, "a value").at(key);
    Value value(&inner);
    auto done = visit(key, value);
    if (!done) return std::move(done).error().within(key);
  }
  return {};
}

Result<void> Value::array(Visit<Result<void>(Value&)> visit) {
  od::array array;
  if (const auto code = value_of(handle_).get_array().get(array)) return refusal(code, "a list");
  for (auto element : array) {
    od::value inner;
    if (const auto code = element.get(inner)) return refusal(code, "a value");
    Value value(&inner);
    TRY(visit(value));
  }
  return {};
}

Result<std::string> Value::raw() {
  // raw_json() walks a container to its end but does not validate a scalar: take both by hand.
  od::json_type type{};
  if (const auto code = value_of(handle_).type().get(type)) return refusal(code, "a value");
  std::string out;
  switch (type) {
    case od::json_type::object: {
      out = "{";
      TRY(object([&](std::string_view key, Value& value) -> Result<void> {
        if (out.size() > 1) out += ',';
        quote(out, key);
        out += ':';
        TRY_ASSIGN(const std::string inner, value.raw());
        out += inner;
        return {};
      }));
      return out + "}";
    }
    case od::json_type::array: {
      out = "[";
      TRY(array([&](Value& value) -> Result<void> {
        if (out.size() > 1) out += ',';
        TRY_ASSIGN(const std::string inner, value.raw());
        out += inner;
        return {};
      }));
      return out + "]";
    }
    case od::json_type::string: {
      TRY_ASSIGN(const std::string text, string());
      quote(out, text);
      return out;
    }
    case od::json_type::boolean: {
      TRY_ASSIGN(const bool flag, boolean());
      return std::string(flag ? "true" : "false");
    }
    case od::json_type::null: {
      if (!is_null()) return invalid("malformed JSON");
      return std::string("null");
    }
    case od::json_type::number: {
      const std::string_view token = value_of(handle_).raw_json_token();
      out = token.substr(0, token.find_last_not_of(" \t\r\n") + 1);
      TRY(real());
      return out;
    }
  }
  return invalid("malformed JSON");
}

Result<void> parse(std::string_view text, Visit<Result<void>(Value&)> visit) {
  if (too_deep(text)) return invalid("JSON may be nested at most 32 deep");
  if (!simdjson::validate_utf8(text.data(), text.size())) return invalid("must be UTF-8");
  thread_local od::parser parser;
  const simdjson::padded_string padded(text);
  od::document document;
  if (const auto code = parser.iterate(padded).get(document)) {
    return refusal(code, "a JSON document");
  }
  bool scalar = true;
  if (const auto code = document.is_scalar().get(scalar)) return refusal(code, "a JSON document");
  if (scalar) return invalid("must be a JSON object or list");
  od::value root;
  if (const auto code = document.get_value().get(root)) return refusal(code, "a JSON document");
  Value value(&root);
  TRY(visit(value));
  const char* after = nullptr;  // on-demand reports "no location" once everything is read
  if (document.current_location().get(after) == simdjson::SUCCESS) {
    return invalid("malformed JSON: text after the document");
  }
  return {};
}

}  // namespace bessemer::json
