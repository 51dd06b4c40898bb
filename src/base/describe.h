// One declaration per struct: from it come JSON, JSON Schema and the binary codec.
#pragma once
#include <boost/describe.hpp>
#include <boost/mp11.hpp>
#include <concepts>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/wide.h"

// DESCRIBE(Point, x, y) after the struct, in its namespace. The order is the wire's numbering:
// a field is only ever added at the end and never removed or given another meaning.
#define DESCRIBE(Type, ...) BOOST_DESCRIBE_STRUCT(Type, (), (__VA_ARGS__))
// DESCRIBE_ENUM(Kind, job, service): text and JSON are the enumerators' names. Enumerators are
// numbered from 0 in order and only ever added at the end.
#define DESCRIBE_ENUM(Type, ...) BOOST_DESCRIBE_ENUM(Type, __VA_ARGS__)

namespace bessemer {

template <class T>
concept Described = boost::describe::has_describe_members<T>::value;
template <class T>
concept DescribedEnum = std::is_enum_v<T> && boost::describe::has_describe_enumerators<T>::value;

// A type with one spelling as text (ids, times, money, digests): a JSON string.
template <class T>
concept Textual = !std::is_enum_v<T> && requires(const T& value, std::string_view text) {
  { to_text(value) } -> std::convertible_to<std::string>;
  { from_text(std::type_identity<T>{}, text) } -> std::same_as<Result<T>>;
};

template <class T> inline constexpr bool is_optional = false;
template <class T> inline constexpr bool is_optional<std::optional<T>> = true;
template <class T> inline constexpr bool is_vector = false;
template <class T> inline constexpr bool is_vector<std::vector<T>> = true;
template <class T> inline constexpr bool is_map = false;
template <class K, class V> inline constexpr bool is_map<std::map<K, V>> = true;
template <class T> inline constexpr bool is_set = false;
template <class T> inline constexpr bool is_set<std::set<T>> = true;
template <class T> inline constexpr bool is_variant = false;
template <class... T> inline constexpr bool is_variant<std::variant<T...>> = true;
template <class T> inline constexpr bool is_pair = false;
template <class A, class B> inline constexpr bool is_pair<std::pair<A, B>> = true;

// A member whose name would be a keyword of C++ ends in '_', which nobody outside sees.
constexpr std::string_view wire_name(std::string_view member) {
  if (member.ends_with('_')) member.remove_suffix(1);
  return member;
}

// Calls visit(name, member_reference) for each described member in order.
template <class T, class Visit>
  requires Described<std::remove_const_t<T>>
constexpr void for_each_member(T& object, Visit&& visit) {
  using Members = boost::describe::describe_members<std::remove_const_t<T>,
                                                    boost::describe::mod_public>;
  boost::mp11::mp_for_each<Members>([&](auto member) {
    visit(wire_name(member.name), object.*member.pointer);
  });
}

template <DescribedEnum E>
std::string_view enum_text(E value) {
  return boost::describe::enum_to_string(value, "unknown");
}

template <DescribedEnum E>
std::optional<E> enum_from_text(std::string_view text) {
  std::optional<E> found;
  boost::mp11::mp_for_each<boost::describe::describe_enumerators<E>>([&](auto enumerator) {
    if (text == enumerator.name) found = enumerator.value;
  });
  return found;
}

// "job, service": the choices, for error texts and help.
template <DescribedEnum E>
std::string enum_choices() {
  std::string out;
  boost::mp11::mp_for_each<boost::describe::describe_enumerators<E>>([&](auto enumerator) {
    if (!out.empty()) out += ", ";
    out += enumerator.name;
  });
  return out;
}

// The last part of a type's name is its JSON tag inside a variant: see Alternative in json.h.
template <class T>
concept Tagged = requires { { T::tag } -> std::convertible_to<std::string_view>; };

}  // namespace bessemer
