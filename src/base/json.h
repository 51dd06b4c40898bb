// JSON of described structs: writer, strict reader, JSON Schema, all from one declaration.
//
// Members that are optional, vector, map, set or an id (none) may be left out of the input; every
// other member is required. Unknown and repeated keys are refused. 64-bit integers are numbers;
// Wide, Money, ids, times and digests are strings. A variant of described structs, each with a
// `static constexpr std::string_view tag`, is {"tag": {...}}.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/describe.h"
#include "base/digest.h"
#include "base/id.h"
#include "base/limits.h"
#include "base/money.h"
#include "base/time.h"
#include "base/wide.h"

namespace bessemer::json {

// ---- writing

// Appends `text` as a JSON string.
void quote(std::string& out, std::string_view text);
void number(std::string& out, double value);  // shortest form that reads back; null when not finite

template <class T>
void write(std::string& out, const T& value);
template <class T>
std::string write(const T& value);

// ---- reading: a view of one value of a document that is read once, front to back

class Value;
// A borrowed callable; lives only during the call that takes it.
template <class Signature> class Visit;
template <class... Arguments>
class Visit<Result<void>(Arguments...)> {
 public:
  template <class F>
  Visit(F&& f)  // NOLINT: implicit on purpose
      : object_(const_cast<void*>(static_cast<const void*>(&f))),
        call_([](void* object, Arguments... a) -> Result<void> {
          return (*static_cast<std::remove_reference_t<F>*>(object))(
              std::forward<Arguments>(a)...);
        }) {}
  Result<void> operator()(Arguments... a) { return call_(object_, std::forward<Arguments>(a)...); }

 private:
  void* object_;
  Result<void> (*call_)(void*, Arguments...);
};

class Value {
 public:
  explicit Value(void* handle) : handle_(handle) {}
  bool is_null();
  bool is_object();
  bool is_string();
  bool is_array();
  Result<bool> boolean();
  Result<std::int64_t> integer();
  Result<std::uint64_t> unsigned_integer();
  Result<double> real();
  Result<std::string> string();
  // Calls visit(key, value) for each member. Errors carry the key as their path.
  Result<void> object(Visit<Result<void>(std::string_view, Value&)> visit);
  Result<void> array(Visit<Result<void>(Value&)> visit);
  // The value as it stands in the document, for members that are passed on.
  Result<std::string> raw();

 private:
  void* handle_;
};

// Parses `text` and calls visit(root). Errors: invalid (malformed, too deep, trailing text).
Result<void> parse(std::string_view text, Visit<Result<void>(Value&)> visit);

// A piece of JSON kept as text: parameters, schemas, and what is passed on unread.
struct Raw {
  std::string text = "null";
  friend bool operator==(const Raw&, const Raw&) = default;
};
DESCRIBE(Raw, text)

// True where a document may leave the member out.
template <class T>
inline constexpr bool may_be_left_out =
    is_optional<T> || is_vector<T> || is_map<T> || is_set<T> || is_id<T>;

template <class T>
Result<void> read(Value& from, T& into);

template <Described T>
Result<void> read_struct(Value& from, T& into) {
  std::uint64_t seen = 0;
  static_assert(boost::mp11::mp_size<boost::describe::describe_members<
                    T, boost::describe::mod_public>>::value <= 64);
  TRY(from.object([&](std::string_view key, Value& value) -> Result<void> {
    Result<void> done;
    bool known = false;
    unsigned at = 0;
    for_each_member(into, [&](std::string_view name, auto& member) {
      const unsigned bit = at++;
      if (name != key) return;
      known = true;
      if ((seen >> bit & 1) != 0) {
        done = invalid("is given twice");
        return;
      }
      seen |= std::uint64_t{1} << bit;
      done = read(value, member);
    });
    if (!known) return invalid("is not a known field").fix("see --help or the OpenAPI document");
    return done;
  }));
  Result<void> complete;
  unsigned at = 0;
  for_each_member(into, [&](std::string_view name, auto& member) {
    const unsigned bit = at++;
    if (may_be_left_out<std::remove_cvref_t<decltype(member)>> || (seen >> bit & 1) != 0) return;
    if (complete) complete = invalid("is required").at(std::string(name));
  });
  return complete;
}

template <class... T>
Result<void> read_variant(Value& from, std::variant<T...>& into) {
  bool found = false;
  std::string choices;
  ((choices += (choices.empty() ? "" : ", ") + std::string(T::tag)), ...);
  TRY(from.object([&](std::string_view key, Value& value) -> Result<void> {
    if (found) return invalid("only one of these may be given: " + choices);
    Result<void> done;
    const auto attempt = [&]<class One>(std::type_identity<One>) {
      if (found || key != One::tag) return;
      found = true;
      done = read(value, into.template emplace<One>());
    };
    (attempt(std::type_identity<T>{}), ...);
    if (!found) return invalid("is not one of: " + choices);
    return done;
  }));
  if (!found) return invalid("one of these is required: " + choices);
  return {};
}

template <class T>
Result<void> read_elements(Value& from, T& into) {
  into.clear();
  std::size_t index = 0;
  return from.array([&](Value& element) -> Result<void> {
    if (index >= limits::list) return invalid("a list may hold at most 10000 elements");
    typename T::value_type one{};
    auto done = read(element, one);
    if (!done) return std::move(done).error().within("[" + std::to_string(index) + "]");
    into.insert(into.end(), std::move(one));
    ++index;
    return {};
  });
}

template <class T>
Result<void> read_map(Value& from, T& into) {
  into.clear();
  return from.object([&](std::string_view key, Value& value) -> Result<void> {
    typename T::key_type name{};
    if constexpr (std::same_as<typename T::key_type, std::string>) {
      name = std::string(key);
    } else if constexpr (DescribedEnum<typename T::key_type>) {
      const auto value_of_key = enum_from_text<typename T::key_type>(key);
      if (!value_of_key) {
        return invalid("must be one of: " + enum_choices<typename T::key_type>());
      }
      name = *value_of_key;
    } else {
      TRY_ASSIGN(name, from_text(std::type_identity<typename T::key_type>{}, key));
    }
    if (into.size() >= limits::list) return invalid("a map may hold at most 10000 members");
    const auto [at, fresh] = into.try_emplace(std::move(name));
    if (!fresh) return invalid("is given twice");
    return read(value, at->second);
  });
}

template <class T>
Result<void> read_scalar(Value& from, T& into) {
  if constexpr (std::same_as<T, bool>) {
    TRY_ASSIGN(into, from.boolean());
  } else if constexpr (std::floating_point<T>) {
    TRY_ASSIGN(into, from.real());
  } else if constexpr (std::is_unsigned_v<T>) {
    TRY_ASSIGN(const std::uint64_t wide, from.unsigned_integer());
    if (!std::in_range<T>(wide)) return invalid("is out of range");
    into = static_cast<T>(wide);
  } else {
    TRY_ASSIGN(const std::int64_t wide, from.integer());
    if (!std::in_range<T>(wide)) return invalid("is out of range");
    into = static_cast<T>(wide);
  }
  return {};
}

template <class T>
Result<void> read(Value& from, T& into) {
  if constexpr (std::same_as<T, Raw>) {
    TRY_ASSIGN(into.text, from.raw());
    return {};
  } else if constexpr (std::same_as<T, std::string>) {
    TRY_ASSIGN(into, from.string());
    return {};
  } else if constexpr (DescribedEnum<T>) {
    TRY_ASSIGN(const std::string text, from.string());
    const auto value = enum_from_text<T>(text);
    if (!value) return invalid("must be one of: " + enum_choices<T>());
    into = *value;
    return {};
  } else if constexpr (std::is_arithmetic_v<T>) {
    return read_scalar(from, into);
  } else if constexpr (Textual<T> || std::same_as<T, Wide>) {
    TRY_ASSIGN(const std::string text, from.string());
    TRY_ASSIGN(into, from_text(std::type_identity<T>{}, text));
    return {};
  } else if constexpr (is_optional<T>) {
    if (from.is_null()) return {};
    return read(from, into.emplace());
  } else if constexpr (is_map<T>) {
    return read_map(from, into);
  } else if constexpr (is_vector<T> || is_set<T>) {
    return read_elements(from, into);
  } else if constexpr (is_variant<T>) {
    return read_variant(from, into);
  } else {
    return read_struct(from, into);
  }
}

// Reads a whole document into a T. Errors: invalid, with the path of the field.
template <class T>
Result<T> read(std::string_view text) {
  T value{};
  TRY(parse(text, [&](Value& root) { return read(root, value); }));
  return value;
}

// ---- writing, the templates

template <class T>
void write_list(std::string& out, const T& list) {
  out += '[';
  bool first = true;
  for (const auto& element : list) {
    if (!first) out += ',';
    first = false;
    write(out, element);
  }
  out += ']';
}

// A map's key as text; a pair's halves are parted by '/'.
template <class K>
std::string key_text(const K& key) {
  if constexpr (std::same_as<K, std::string>) return key;
  else if constexpr (DescribedEnum<K>) return std::string(enum_text(key));
  else if constexpr (std::integral<K>) return std::to_string(key);
  else if constexpr (is_pair<K>) return key_text(key.first) + "/" + key_text(key.second);
  else if constexpr (Described<K>) return write(key);
  else return to_text(key);
}

template <class T>
void write_object(std::string& out, const T& value) {
  out += '{';
  bool first = true;
  const auto member = [&](std::string_view key, const auto& held) {
    if constexpr (is_optional<std::remove_cvref_t<decltype(held)>>) {
      if (!held) return;
    }
    if (!first) out += ',';
    first = false;
    quote(out, key);
    out += ':';
    write(out, held);
  };
  if constexpr (is_map<T>) {
    for (const auto& [key, held] : value) member(key_text(key), held);
  } else {
    for_each_member(value, member);
  }
  out += '}';
}

template <class T>
void write(std::string& out, const T& value) {
  if constexpr (std::same_as<T, Raw>) out += value.text;
  else if constexpr (std::same_as<T, bool>) out += value ? "true" : "false";
  else if constexpr (std::floating_point<T>) number(out, value);
  else if constexpr (std::integral<T>) out += std::to_string(value);
  else if constexpr (DescribedEnum<T>) quote(out, enum_text(value));
  else if constexpr (std::convertible_to<const T&, std::string_view>) quote(out, value);
  else if constexpr (Textual<T> || std::same_as<T, Wide>) quote(out, to_text(value));
  else if constexpr (is_pair<T>) {
    out += '[';
    write(out, value.first);
    out += ',';
    write(out, value.second);
    out += ']';
  }
  else if constexpr (is_optional<T>) { if (value) write(out, *value); else out += "null"; }
  else if constexpr (is_vector<T> || is_set<T>) write_list(out, value);
  else if constexpr (is_variant<T>) {
    std::visit([&](const auto& held) {
      out += '{';
      quote(out, std::remove_cvref_t<decltype(held)>::tag);
      out += ':';
      write(out, held);
      out += '}';
    }, value);
  } else write_object(out, value);
}

template <class T>
std::string write(const T& value) {
  std::string out;
  write(out, value);
  return out;
}

}  // namespace bessemer::json
