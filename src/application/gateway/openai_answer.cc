// Reads what an engine's JSON says about usage, errors and progress.
#include "application/gateway/openai_answer.h"

#include <simdjson.h>

#include <initializer_list>

namespace bessemer::gateway {
namespace {

namespace od = simdjson::ondemand;
using metering::Counts;

// A count, or nothing when it is no such number or is implausible.
bool read_count(od::value value, std::uint64_t& into) {
  return !value.get_uint64().get(into) && into <= metering::max_request_tokens;
}

// The named count inside a details object; null and absence are 0.
bool read_detail(od::value value, std::string_view name, std::uint64_t& into) {
  od::json_type type;
  if (value.type().get(type)) return false;
  if (type == od::json_type::null) return true;
  od::object details;
  if (value.get_object().get(details)) return false;
  for (auto member : details) {
    std::string_view key;
    od::value inner;
    if (member.unescaped_key().get(key) || member.value().get(inner)) return false;
    od::json_type inner_type;
    if (key != name || inner.type().get(inner_type)) continue;
    if (inner_type != od::json_type::null && !read_count(inner, into)) return false;
  }
  return true;
}

std::optional<Counts> read_usage(od::object usage) {
  std::uint64_t prompt = 0, completion = 0, cached = 0, reasoning = 0;
  bool has_prompt = false;
  for (auto member : usage) {
    std::string_view key;
    od::value value;
    if (member.unescaped_key().get(key) || member.value().get(value)) return std::nullopt;
    bool ok = true;
    if (key == "prompt_tokens") {
      ok = read_count(value, prompt);
      has_prompt = true;
    } else if (key == "completion_tokens") {
      ok = read_count(value, completion);
    } else if (key == "prompt_tokens_details") {
      ok = read_detail(value, "cached_tokens", cached);
    } else if (key == "completion_tokens_details") {
      ok = read_detail(value, "reasoning_tokens", reasoning);
    }
    if (!ok) return std::nullopt;
  }
  if (!has_prompt || cached > prompt || reasoning > completion) return std::nullopt;
  return Counts{.input = prompt - cached,
                .cached_input = cached,
                .output = completion - reasoning,
                .reasoning = reasoning,
                .requests = 1};
}

std::uint64_t text_bytes(od::value value) {
  od::json_type type;
  if (value.type().get(type)) return 0;
  std::string_view text;
  if (type == od::json_type::string) return value.get_string().get(text) ? 0 : text.size();
  if (type != od::json_type::array) return 0;
  od::array array;  // tool calls: their JSON is what was generated, and a little more
  return value.get_array().get(array) || array.raw_json().get(text) ? 0 : text.size();
}

// The bytes of text in a delta or message.
std::uint64_t delta_bytes(od::value value) {
  od::object delta;
  if (value.get_object().get(delta)) return 0;
  std::uint64_t bytes = 0;
  for (auto member : delta) {
    std::string_view key;
    od::value inner;
    if (member.unescaped_key().get(key) || member.value().get(inner)) return bytes;
    if (key == "content" || key == "reasoning_content" || key == "reasoning" ||
        key == "refusal" || key == "tool_calls") {
      bytes += text_bytes(inner);
    }
  }
  return bytes;
}

void read_choices(od::array choices, Told& into) {
  for (auto element : choices) {
    od::object choice;
    if (element.get_object().get(choice)) return;
    into.has_choices = true;
    for (auto member : choice) {
      std::string_view key;
      od::value value;
      if (member.unescaped_key().get(key) || member.value().get(value)) return;
      if (key == "text") into.content_bytes += text_bytes(value);
      if (key == "delta" || key == "message") into.content_bytes += delta_bytes(value);
    }
  }
}

// The member whose key starts at `key` and whose value ends at `end`, with one comma beside it.
Span with_comma(std::string_view text, std::size_t key, std::size_t end) {
  const auto space = [&](std::size_t at) { return static_cast<unsigned char>(text[at]) <= ' '; };
  std::size_t from = key, to = end;
  while (from > 0 && space(from - 1)) --from;
  if (from > 0 && text[from - 1] == ',') return {from - 1, end};
  while (to < text.size() && space(to)) ++to;
  return {key, to < text.size() && text[to] == ',' ? to + 1 : end};
}

bool read_member(std::string_view text, std::string_view key, std::size_t key_at, od::value value,
                 Told& into) {
  od::json_type type;
  if (value.type().get(type)) return false;
  if (key == "error") {
    into.is_error = into.is_error || type != od::json_type::null;
  } else if (key == "choices" && type == od::json_type::array) {
    od::array choices;
    if (!value.get_array().get(choices)) read_choices(choices, into);
  } else if (key == "usage" && type == od::json_type::object) {
    od::object usage;
    std::string_view raw;
    if (value.get_object().get(usage) || usage.raw_json().get(raw) || usage.reset().error()) {
      return false;
    }
    const auto end = static_cast<std::size_t>(raw.data() - text.data()) + raw.size();
    into.usage_at = with_comma(text, key_at, end);
    into.usage = read_usage(usage);
  } else if (key == "usage") {
    const auto raw = value.raw_json_token();
    const auto token = raw.substr(0, raw.find_first_of(" \t\r\n,}"));
    const auto end = static_cast<std::size_t>(token.data() - text.data()) + token.size();
    into.usage_at = with_comma(text, key_at, end);
  }
  return true;
}

}  // namespace

Told read_answer(std::string_view text) {
  thread_local od::parser parser;
  Told told;
  od::document document;
  od::object root;
  if (parser.iterate(text.data(), text.size(), text.size() + spare_bytes).get(document) ||
      document.get_object().get(root)) {
    return told;
  }
  told.is_object = true;
  for (auto member : root) {
    od::raw_json_string raw_key;
    std::string_view key;
    od::value value;
    // The key's own place: its text starts one behind the quote.
    if (member.key().get(raw_key)) break;
    const auto key_at = static_cast<std::size_t>(raw_key.raw() - text.data()) - 1;
    if (member.unescaped_key().get(key) || member.value().get(value)) break;
    if (!read_member(text, key, key_at, value, told)) break;
  }
  return told;
}

std::string without_usage(std::string_view text, const Told& told) {
  std::string out(text.substr(0, told.usage_at.from));
  return out.append(text.substr(told.usage_at.to));
}

}  // namespace bessemer::gateway
