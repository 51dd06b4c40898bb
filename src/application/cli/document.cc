// JSON trees: reading, finding, writing, comparing.
#include "application/cli/document.h"

#include <algorithm>

#include "base/json.h"
#include "base/money.h"
#include "base/text.h"
#include "base/time.h"

namespace bessemer::cli {
namespace {

using Kind = Document::Kind;

Result<Document> build(json::Value& value) {
  Document document;
  const auto append = [&](std::string name, json::Value& member) -> Result<void> {
    TRY_ASSIGN(Document one, build(member));
    document.members.emplace_back(std::move(name), std::move(one));
    return {};
  };
  if (value.is_string()) {
    TRY_ASSIGN(std::string text, value.string());
    return Document::of(std::move(text));
  }
  if (value.is_object()) {
    document.kind = Kind::object;
    TRY(value.object([&](std::string_view name, json::Value& member) {
      return append(std::string(name), member);
    }));
    return document;
  }
  if (value.is_array()) {
    document.kind = Kind::list;
    TRY(value.array([&](json::Value& element) { return append({}, element); }));
    return document;
  }
  TRY_ASSIGN(document.scalar, value.raw());
  if (document.scalar == "null") return Document{};
  const bool flag = document.scalar == "true" || document.scalar == "false";
  document.kind = flag ? Kind::boolean : Kind::number;
  return document;
}

// The element that a path's part names: by key, by number, or from the end.
const Document* step(const Document& at, std::string_view part) {
  if (at.is(Kind::object)) {
    for (const auto& [name, member] : at.members) {
      if (name == part) return &member;
    }
    return nullptr;
  }
  if (!at.is(Kind::list) || at.members.empty()) return nullptr;
  if (part == "-1") return &at.members.back().second;
  const auto index = parse_unsigned(part);
  return index && *index < at.members.size() ? &at.members[*index].second : nullptr;
}

void write(std::string& out, const Document& value, Layout layout, std::size_t depth) {
  const auto line = [&](std::size_t to) {
    if (layout == Layout::indented) out += "\n" + std::string(2 * to, ' ');
  };
  if (value.is(Kind::null)) out += "null";
  else if (value.is(Kind::text)) json::quote(out, value.scalar);
  else if (!value.is(Kind::list) && !value.is(Kind::object)) out += value.scalar;
  else {
    out += value.is(Kind::list) ? '[' : '{';
    bool first = true;
    for (const auto& [name, member] : value.members) {
      if (!first) out += ',';
      first = false;
      line(depth + 1);
      if (value.is(Kind::object)) {
        json::quote(out, name);
        out += layout == Layout::indented ? ": " : ":";
      }
      write(out, member, layout, depth + 1);
    }
    if (!value.members.empty()) line(depth);
    out += value.is(Kind::list) ? ']' : '}';
  }
}

// True when YAML reads the bare word as this very text.
bool plain_in_yaml(std::string_view text) {
  static constexpr std::string_view words[] = {"true", "false", "null", "yes", "no", "on", "off",
                                               "~",    "True",  "False", "Null"};
  if (text.empty() || std::find(std::begin(words), std::end(words), text) != std::end(words)) {
    return false;
  }
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '/' || c == '_';
  };
  return letter(text.front()) && std::all_of(text.begin(), text.end(), [&](char c) {
    return letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '@';
  });
}

void write_yaml(std::string& out, const Document& value, std::size_t depth) {
  const std::string indent(2 * depth, ' ');
  bool first = true;
  for (const auto& [name, member] : value.members) {
    if (!first || depth == 0) out += indent;
    first = false;
    if (value.is(Kind::list)) {
      out += "- ";
    } else {
      if (plain_in_yaml(name)) out += name;
      else json::quote(out, name);
      out += ':';
    }
    const bool nested = (member.is(Kind::list) || member.is(Kind::object)) &&
                        !member.members.empty();
    if (nested) {
      if (value.is(Kind::object)) out += "\n" + std::string(2 * (depth + 1), ' ');
      write_yaml(out, member, depth + 1);
      continue;
    }
    if (value.is(Kind::object)) out += ' ';
    if (member.is(Kind::text) && plain_in_yaml(member.scalar)) out += member.scalar;
    else write(out, member, Layout::compact, 0);
    out += '\n';
  }
}

std::string shown(const Document& value) {
  return value.is(Kind::text) ? value.scalar : to_json(value, Layout::compact);
}

// True when both texts are one value of a kind that has several spellings: "2.50 USD", "60m".
template <class T>
bool same_value(std::string_view a, std::string_view b) {
  const auto one = from_text(std::type_identity<T>{}, a);
  const auto other = from_text(std::type_identity<T>{}, b);
  return one && other && *one == *other;
}

bool equal(const Document& now, const Document& wanted, Compare how);

// Each wanted element has one of its own in `now`.
bool equal_sets(const Document& now, const Document& wanted, Compare how) {
  std::vector<bool> taken(now.members.size());
  return std::all_of(wanted.members.begin(), wanted.members.end(), [&](const auto& member) {
    for (std::size_t i = 0; i < taken.size(); ++i) {
      if (taken[i] || !equal(now.members[i].second, member.second, how)) continue;
      taken[i] = true;
      return true;
    }
    return false;
  });
}

bool equal(const Document& now, const Document& wanted, Compare how) {
  if (now == wanted) return true;
  if (now.is(Kind::text) && wanted.is(Kind::text)) {
    return same_value<Money>(now.scalar, wanted.scalar) ||
           same_value<Duration>(now.scalar, wanted.scalar) ||
           same_value<Instant>(now.scalar, wanted.scalar);
  }
  if (now.kind != wanted.kind) return false;
  const bool same_size = now.members.size() == wanted.members.size();
  if (now.is(Kind::list)) return same_size && equal_sets(now, wanted, how);
  if (!now.is(Kind::object) || (how == Compare::whole && !same_size)) return false;
  return std::all_of(wanted.members.begin(), wanted.members.end(), [&](const auto& member) {
    const Document* other = step(now, member.first);
    return other != nullptr && equal(*other, member.second, how);
  });
}

void compare(const Document& now, const Document& wanted, Compare how, const std::string& at,
             std::vector<std::string>& out) {
  if (!now.is(Kind::object) || !wanted.is(Kind::object)) {
    if (!equal(now, wanted, how)) {
      out.push_back("  " + (at.empty() ? "value" : at) + ": " + shown(now) + " -> " +
                    shown(wanted));
    }
    return;
  }
  const std::string prefix = at.empty() ? "" : at + ".";
  for (const auto& [name, member] : wanted.members) {
    const Document* before = step(now, name);
    if (before != nullptr) compare(*before, member, how, prefix + name, out);
    else if (!member.is(Kind::null)) out.push_back("+ " + prefix + name + ": " + shown(member));
  }
  if (how == Compare::declared_only) return;
  for (const auto& [name, member] : now.members) {
    if (step(wanted, name) == nullptr) out.push_back("- " + prefix + name + ": " + shown(member));
  }
}

}  // namespace

Document Document::of(std::string text) { return {Kind::text, std::move(text), {}}; }

const Document* Document::find(std::string_view path) const {
  const Document* at = this;
  for (const std::string_view part : split(path, '.')) {
    at = step(*at, part);
    if (at == nullptr) return nullptr;
  }
  return at->is(Kind::null) ? nullptr : at;
}

std::string Document::text(std::string_view path) const {
  const Document* found = find(path);
  return found == nullptr ? std::string() : found->scalar;
}

void Document::set(std::string_view name, Document value) {
  kind = Kind::object;
  for (auto& [key, member] : members) {
    if (key == name) {
      member = std::move(value);
      return;
    }
  }
  members.emplace_back(std::string(name), std::move(value));
}

Result<Document> parse_document(std::string_view text) {
  const std::string_view inner = trim(text);
  if (!inner.starts_with('{') && !inner.starts_with('[')) {  // the reader takes containers only
    TRY_ASSIGN(Document list, parse_document("[" + std::string(inner) + "]"));
    if (list.members.size() != 1) return invalid("malformed JSON");
    return std::move(list.members.front().second);
  }
  Document document;
  TRY(json::parse(text, [&](json::Value& root) -> Result<void> {
    TRY_ASSIGN(document, build(root));
    return {};
  }));
  return document;
}

std::string to_json(const Document& document, Layout layout) {
  std::string out;
  write(out, document, layout, 0);
  return out;
}

std::string to_yaml(const Document& document) {
  std::string out;
  if (document.members.empty()) {
    write(out, document, Layout::compact, 0);
    out += '\n';
    return out;
  }
  write_yaml(out, document, 0);
  return out;
}

std::vector<std::string> differences(const Document& now, const Document& wanted, Compare how) {
  std::vector<std::string> out;
  compare(now, wanted, how, "", out);
  return out;
}

}  // namespace bessemer::cli
