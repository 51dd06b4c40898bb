// JSON Schema (draft 2020-12, as OpenAPI 3.1 uses it) of described structs.
#pragma once
#include <string>
#include <string_view>

#include "base/json.h"

namespace bessemer::json {

// How a textual type is told to a reader of the schema. Specialise nothing: overloads by type.
template <class T>
constexpr std::string_view text_format() {
  if constexpr (std::same_as<T, Instant>) return "date-time";
  else if constexpr (std::same_as<T, Duration>) return "duration-text";
  else if constexpr (std::same_as<T, Money>) return "money";
  else if constexpr (std::same_as<T, Wide>) return "decimal";
  else if constexpr (std::same_as<T, Digest>) return "sha256";
  else return "id";
}

template <class T>
void schema(std::string& out);

template <Described T>
void schema_object(std::string& out) {
  out += R"({"type":"object","additionalProperties":false,"properties":{)";
  std::string required;
  bool first = true;
  boost::mp11::mp_for_each<boost::describe::describe_members<T, boost::describe::mod_public>>(
      [&](auto member) {
        using Member = std::remove_cvref_t<decltype(std::declval<T&>().*member.pointer)>;
        if (!first) out += ',';
        first = false;
        quote(out, wire_name(member.name));
        out += ':';
        schema<Member>(out);
        if (may_be_left_out<Member>) return;
        if (!required.empty()) required += ',';
        quote(required, wire_name(member.name));
      });
  out += '}';
  if (!required.empty()) out += ",\"required\":[" + required + "]";
  out += '}';
}

template <class... T>
void schema_variant(std::string& out, std::type_identity<std::variant<T...>>) {
  out += "{\"oneOf\":[";
  bool first = true;
  const auto one = [&]<class One>(std::type_identity<One>) {
    if (!first) out += ',';
    first = false;
    out += R"({"type":"object","additionalProperties":false,"required":[)";
    quote(out, One::tag);
    out += "],\"properties\":{";
    quote(out, One::tag);
    out += ':';
    schema<One>(out);
    out += "}}";
  };
  (one(std::type_identity<T>{}), ...);
  out += "]}";
}

// Appends the schema of T, as the strict reader and the writer of json.h treat it.
template <class T>
void schema(std::string& out) {
  if constexpr (std::same_as<T, Raw>) {
    out += "{}";
  } else if constexpr (std::same_as<T, bool>) {
    out += R"({"type":"boolean"})";
  } else if constexpr (std::integral<T>) {
    out += std::is_unsigned_v<T> ? R"({"type":"integer","minimum":0})" : R"({"type":"integer"})";
  } else if constexpr (std::floating_point<T>) {
    out += R"({"type":"number"})";
  } else if constexpr (std::same_as<T, std::string>) {
    out += R"({"type":"string"})";
  } else if constexpr (DescribedEnum<T>) {
    out += R"({"type":"string","enum":[)";
    bool first = true;
    boost::mp11::mp_for_each<boost::describe::describe_enumerators<T>>([&](auto enumerator) {
      if (!first) out += ',';
      first = false;
      quote(out, enumerator.name);
    });
    out += "]}";
  } else if constexpr (Textual<T> || std::same_as<T, Wide>) {
    out += R"({"type":"string","format":")" + std::string(text_format<T>()) + "\"}";
  } else if constexpr (is_optional<T>) {
    schema<typename T::value_type>(out);
  } else if constexpr (is_vector<T> || is_set<T>) {
    out += R"({"type":"array","items":)";
    schema<typename T::value_type>(out);
    out += '}';
  } else if constexpr (is_map<T>) {
    out += R"({"type":"object","additionalProperties":)";
    schema<typename T::mapped_type>(out);
    out += '}';
  } else if constexpr (is_pair<T>) {
    out += R"({"type":"array","prefixItems":[)";
    schema<typename T::first_type>(out);
    out += ',';
    schema<typename T::second_type>(out);
    out += "]}";
  } else if constexpr (is_variant<T>) {
    schema_variant(out, std::type_identity<T>{});
  } else {
    schema_object<T>(out);
  }
}

template <class T>
std::string schema() {
  std::string out;
  schema<T>(out);
  return out;
}

}  // namespace bessemer::json
