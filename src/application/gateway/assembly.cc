// The answer that a caller would have got without a stream, put together from the stream's chunks.
#include "application/gateway/assembly.h"

#include <simdjson.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/text.h"

namespace bessemer::gateway {
namespace {

constexpr std::size_t deepest = 64;

struct Member;

// A JSON value that can grow. Numbers, true, false and null stand as they came.
struct Node {
  enum class Kind : std::uint8_t { plain, text, list, object };
  Kind kind = Kind::plain;
  std::string scalar = "null";
  std::vector<Member> members;  // a list's have no names

  bool is_null() const { return kind == Kind::plain && scalar == "null"; }
  const Node* find(std::string_view name) const;
  Node* find(std::string_view name);
  Node& at(std::string_view name);  // added when it is not there
};

struct Member {
  std::string name;
  Node value;
};

const Node* Node::find(std::string_view name) const {
  const auto at = std::find_if(members.begin(), members.end(),
                               [&](const Member& member) { return member.name == name; });
  return at == members.end() ? nullptr : &at->value;
}

Node* Node::find(std::string_view name) {
  return const_cast<Node*>(std::as_const(*this).find(name));
}

Node& Node::at(std::string_view name) {
  if (Node* const found = find(name)) return *found;
  return members.emplace_back(Member{std::string(name), {}}).value;
}

Node text_node(std::string_view text) { return {Node::Kind::text, std::string(text), {}}; }

bool build(simdjson::dom::element from, Node& into, std::size_t depth) {
  if (depth > deepest) return false;
  std::string_view text;
  simdjson::dom::object object;
  simdjson::dom::array list;
  if (!from.get_string().get(text)) {
    into = text_node(text);
  } else if (!from.get_object().get(object)) {
    into.kind = Node::Kind::object;
    for (const auto& [name, value] : object) {
      Member& member = into.members.emplace_back(Member{std::string(name), {}});
      if (!build(value, member.value, depth + 1)) return false;
    }
  } else if (!from.get_array().get(list)) {
    into.kind = Node::Kind::list;
    for (const auto value : list) {
      if (!build(value, into.members.emplace_back().value, depth + 1)) return false;
    }
  } else {
    into.scalar = simdjson::minify(from);
  }
  return true;
}

void print(const Node& node, std::string& out) {
  if (node.kind == Node::Kind::plain) {
    out += node.scalar;
    return;
  }
  if (node.kind == Node::Kind::text) return json::quote(out, node.scalar);
  const bool object = node.kind == Node::Kind::object;
  out += object ? '{' : '[';
  bool first = true;
  for (const auto& [name, value] : node.members) {
    if (!std::exchange(first, false)) out += ',';
    if (object) {
      json::quote(out, name);
      out += ':';
    }
    print(value, out);
  }
  out += object ? '}' : ']';
}

// Names of what is said again and again, and is not continued.
bool repeats(std::string_view name) {
  return name == "role" || name == "type" || name == "id" || name == "object" ||
         name == "index" || name == "model" || name == "finish_reason" || name == "usage";
}

std::uint64_t number_of(const Node& choice) {
  const Node* const index = choice.find("index");
  return index == nullptr ? 0 : parse_unsigned(index->scalar).value_or(0);
}

void add(Node& into, Node from, std::string_view name);

// The choice of the same number; a chunk that gives none means the first.
void add_choices(Node& into, Node from) {
  for (auto& [unnamed, choice] : from.members) {
    const auto number = number_of(choice);
    const auto same = std::find_if(into.members.begin(), into.members.end(),
                                   [&](const auto& held) {
                                     return number_of(held.value) == number;
                                   });
    if (same != into.members.end()) add(same->value, std::move(choice), {});
    else into.members.push_back({{}, std::move(choice)});
  }
}

// Elements with an index join the one that has it; others follow.
void add_elements(Node& into, Node from) {
  for (auto& [unnamed, element] : from.members) {
    Node* const index = element.find("index");
    Node* same = nullptr;
    for (auto& [none, held] : into.members) {
      Node* const other = held.find("index");
      if (index != nullptr && other != nullptr && other->scalar == index->scalar) same = &held;
    }
    if (same != nullptr) add(*same, std::move(element), {});
    else into.members.push_back({{}, std::move(element)});
  }
}

void add(Node& into, Node from, std::string_view name) {
  if (from.is_null()) return;
  if (into.kind != from.kind || from.kind == Node::Kind::plain || repeats(name)) {
    into = std::move(from);
  } else if (from.kind == Node::Kind::text) {
    into.scalar += from.scalar;
  } else if (from.kind == Node::Kind::list) {
    add_elements(into, std::move(from));
  } else {
    for (auto& [key, value] : from.members) add(into.at(key), std::move(value), key);
  }
}

// A chunk's choice becomes an answer's: its delta is the message so far.
void rename_delta(Node& choice) {
  for (auto& [name, value] : choice.members) {
    if (name == "delta") name = "message";
  }
}

void finish_message(Node& choice) {
  Node* const message = choice.find("message");
  if (message == nullptr) return;
  if (message->find("role") == nullptr) message->at("role") = text_node("assistant");
  message->at("content");  // null where nothing was said
  if (Node* const calls = message->find("tool_calls")) {
    for (auto& [none, one] : calls->members) {
      std::erase_if(one.members, [](const auto& member) { return member.name == "index"; });
    }
  }
}

}  // namespace

struct Assembly::Tree {
  simdjson::dom::parser parser;
  Node answer{Node::Kind::object, {}, {}};
};

Assembly::Assembly() : tree_(std::make_unique<Tree>()) {}
Assembly::~Assembly() = default;

bool Assembly::add(std::string_view chunk, std::size_t most) {
  bytes_ += chunk.size();
  simdjson::dom::element parsed;
  Node built;
  if (bytes_ > most || tree_->parser.parse(chunk.data(), chunk.size()).get(parsed) ||
      !parsed.is_object() || !build(parsed, built, 0)) {
    return false;
  }
  // Texts of the answer itself (fingerprint, tier) are told with each chunk: the last one holds.
  for (auto& [name, value] : built.members) {
    Node& held = tree_->answer.at(name);
    if (name == "choices" && value.kind == Node::Kind::list) {
      for (auto& [none, choice] : value.members) rename_delta(choice);
      if (held.kind != Node::Kind::list) held = Node{Node::Kind::list, {}, {}};
      add_choices(held, std::move(value));
    } else if (!value.is_null()) {
      held = std::move(value);
    }
  }
  return true;
}

std::string Assembly::finish(std::string_view unfinished) {
  Node& answer = tree_->answer;
  if (Node* const object = answer.find("object"); object && object->scalar.ends_with(".chunk")) {
    object->scalar.resize(object->scalar.size() - std::string_view(".chunk").size());
  }
  if (Node* const choices = answer.find("choices")) {
    std::sort(choices->members.begin(), choices->members.end(), [](const auto& a, const auto& b) {
      return number_of(a.value) < number_of(b.value);  // each number is there once
    });
    for (auto& [none, choice] : choices->members) {
      finish_message(choice);
      Node& reason = choice.at("finish_reason");
      if (reason.is_null() && !unfinished.empty()) reason = text_node(unfinished);
    }
  }
  std::string out;
  print(answer, out);
  return out;
}

}  // namespace bessemer::gateway
