// Reads what a request's JSON body asks for, and makes the body that goes to the engine.
#include "application/gateway/openai_request.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "base/json.h"

namespace bessemer::gateway {
namespace {

namespace od = simdjson::ondemand;

Error malformed(std::string_view why) {
  return invalid("the body must be a JSON object: " + std::string(why)).because("invalid_json");
}

// The value as it stands in the text, without the space behind it.
simdjson::simdjson_result<std::string_view> raw_of(od::value value, od::json_type type) {
  std::string_view raw;
  if (type == od::json_type::object) {
    od::object object;
    if (const auto error = value.get_object().get(object)) return error;
    if (const auto error = object.raw_json().get(raw)) return error;
  } else if (type == od::json_type::array) {
    od::array array;
    if (const auto error = value.get_array().get(array)) return error;
    if (const auto error = array.raw_json().get(raw)) return error;
  } else {
    raw = value.raw_json_token();
    while (!raw.empty() && static_cast<unsigned char>(raw.back()) <= ' ') raw.remove_suffix(1);
  }
  return raw;
}

Span span_of(std::string_view raw, std::string_view body) {
  const auto from = static_cast<std::size_t>(raw.data() - body.data());
  return {from, from + raw.size()};
}

// The members read so far, to find those given twice.
struct Seen {
  bool model = false, stream = false, options = false, tokens = false, completion_tokens = false;
  bool n = false, best_of = false, prompt = false, embeds = false, input = false;
};

// What some engines read as well, beyond what is held for. They have a name that all understand.
struct Alias {
  std::string_view key, meant;
};
constexpr Alias aliases[] = {
    {"n_predict", "max_tokens"},        {"num_predict", "max_tokens"},
    {"max_new_tokens", "max_tokens"},   {"max_output_tokens", "max_tokens"},
    {"max_gen_tokens", "max_tokens"},   {"max_tokens_to_sample", "max_tokens"},
    {"max_generated_tokens", "max_tokens"}, {"max_length", "max_tokens"},
    {"n_cmpl", "n"},                    {"num_return_sequences", "n"},
    {"num_beams", "best_of"},           {"beam_width", "best_of"},
};

Result<void> refuse_alias(std::string_view key, std::string_view raw) {
  if (raw == "null") return {};
  for (const auto& alias : aliases) {
    if (key != alias.key) continue;
    const std::string meant(alias.meant);
    return invalid("is one engine's own name for " + meant).at(std::string(key))
        .fix("say " + meant);
  }
  return {};
}

Result<void> once(bool& seen, std::string_view key) {
  if (std::exchange(seen, true)) return invalid("is given twice").at(std::string(key));
  return {};
}

Result<bool> read_flag(std::string_view raw, std::string_view key) {
  if (raw == "true") return true;
  if (raw == "false" || raw == "null") return false;
  return invalid("must be true or false").at(std::string(key));
}

// A positive integer; null stands for "not given".
Result<std::optional<std::uint64_t>> read_count(std::string_view raw, std::string_view key,
                                                std::uint64_t most) {
  if (raw == "null") return std::optional<std::uint64_t>{};
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(raw.data(), raw.data() + raw.size(), value);
  if (error != std::errc{} || end != raw.data() + raw.size() || value < 1 || value > most) {
    return invalid("must be an integer from 1 to " + std::to_string(most)).at(std::string(key));
  }
  return std::optional<std::uint64_t>(value);
}

Result<void> read_options(od::value value, Asked& into) {
  od::object options;
  if (value.get_object().get(options)) return invalid("must be an object").at("stream_options");
  bool seen = false;
  for (auto member : options) {
    std::string_view key;
    od::value inner;
    if (member.unescaped_key().get(key) || member.value().get(inner)) {
      return malformed("stream_options is not well formed");
    }
    if (key != "include_usage") continue;
    TRY(once(seen, "stream_options.include_usage"));
    od::json_type type;
    if (inner.type().get(type)) return malformed("stream_options is not well formed");
    std::string_view raw;
    if (raw_of(inner, type).get(raw)) return malformed("stream_options is not well formed");
    TRY_ASSIGN(into.include_usage, read_flag(raw, "stream_options.include_usage"));
  }
  return {};
}

Result<void> read_model(od::value value, Asked& into) {
  std::string_view name;
  if (value.get_string().get(name)) return invalid("must be a string").at("model");
  if (name.empty() || name.size() > max_model_name) {
    return invalid("must have 1 to 255 characters").at("model");
  }
  into.model = name;
  return {};
}

// A list of texts, or of lists of tokens, is as many prompts; a list of numbers is one, of tokens.
Result<std::uint64_t> read_prompts(od::value value, std::string_view key) {
  od::array list;
  if (value.get_array().get(list)) return malformed("a value is not well formed");
  std::uint64_t count = 0;
  bool only_numbers = true;
  for (auto element : list) {
    od::json_type type;
    if (element.type().get(type)) return malformed("a value is not well formed");
    only_numbers = only_numbers && type == od::json_type::number;
    ++count;
    if (only_numbers || count <= max_prompts) continue;
    return invalid("must be a text or a list of at most " + std::to_string(max_prompts))
        .at(std::string(key)).fix("send the rest as further requests");
  }
  return only_numbers ? 1 : count;  // an empty list too: an engine refuses it
}

Result<void> read_member(std::string_view key, od::value value, std::string_view body, Seen& seen,
                         Asked& into) {
  od::json_type type;
  if (value.type().get(type)) return malformed("a value is not well formed");
  const bool is_object = type == od::json_type::object;
  const bool embedded = key == "prompt_embeds";  // prompts besides those of `prompt`
  if (embedded || key == "prompt" || key == "input") {
    TRY(once(embedded ? seen.embeds : key == "prompt" ? seen.prompt : seen.input, key));
    if (type == od::json_type::array) {
      TRY_ASSIGN(const auto prompts, read_prompts(value, key));
      into.prompts += embedded ? prompts : prompts - 1;
      return {};
    }
    if (embedded && type != od::json_type::null) ++into.prompts;
  }
  std::string_view raw;
  if (raw_of(value, type).get(raw)) return malformed("a value is not well formed");
  if (key == "model") {
    TRY(once(seen.model, key));
    into.model_at = span_of(raw, body);
    if (raw.empty() || raw.front() != '"') return invalid("must be a string").at("model");
    return {};
  }
  if (key == "stream") {
    TRY(once(seen.stream, key));
    into.stream_at = span_of(raw, body);
    TRY_ASSIGN(into.stream, read_flag(raw, key));
  } else if (key == "stream_options") {
    TRY(once(seen.options, key));
    into.options_at = span_of(raw, body);
    if (!is_object && raw != "null") return invalid("must be an object").at("stream_options");
  } else if (key == "max_tokens" || key == "max_completion_tokens") {
    TRY(once(key == "max_tokens" ? seen.tokens : seen.completion_tokens, key));
    TRY_ASSIGN(const auto stated, read_count(raw, key, max_stated_tokens));
    if (stated) into.max_tokens = std::max(into.max_tokens.value_or(0), *stated);
  } else if (key == "n" || key == "best_of") {
    TRY(once(key == "n" ? seen.n : seen.best_of, key));
    TRY_ASSIGN(const auto stated, read_count(raw, key, max_choices));
    if (stated) into.choices = std::max(into.choices, *stated);
    if (key == "best_of") into.chooses_best = stated.value_or(1) > 1;
  }
  return refuse_alias(key, raw);
}

// One parser per thread: it keeps its buffers.
od::parser& parser() {
  thread_local od::parser kept;
  return kept;
}

// The model's name and the stream options, whose values need more than their raw text.
Result<void> read_inside(std::string_view body, Asked& into) {
  const auto again = [&](Span at, auto read) -> Result<void> {
    if (!at) return {};
    const auto text = body.substr(at.from, at.to - at.from);
    if (text == "null") return {};
    // The rest of the body and its spare bytes lie behind.
    const std::string wrapped = "{\"v\":" + std::string(text) + "}";
    simdjson::padded_string padded(wrapped);
    od::document document;
    od::value value;
    if (parser().iterate(padded).get(document) || document["v"].get(value)) {
      return malformed("a value is not well formed");
    }
    return read(value);
  };
  TRY(again(into.model_at, [&](od::value value) { return read_model(value, into); }));
  return again(into.options_at, [&](od::value value) { return read_options(value, into); });
}

}  // namespace

Result<Asked> read_request(std::string_view body) {
  Asked asked;
  Seen seen;
  od::document document;
  od::object root;
  if (const auto error = parser().iterate(body.data(), body.size(), body.size() + spare_bytes)
                             .get(document)) {
    return malformed(simdjson::error_message(error));
  }
  if (document.get_object().get(root)) return malformed("it is something else");
  for (auto member : root) {
    std::string_view key;
    od::value value;
    if (member.unescaped_key().get(key) || member.value().get(value)) {
      return malformed("it is cut short or damaged");
    }
    TRY(read_member(key, value, body, seen, asked));
  }
  const char* rest = nullptr;
  if (!document.current_location().get(rest)) return malformed("something follows it");
  if (!seen.model) return invalid("is required").at("model").because("missing_model");
  TRY(read_inside(body, asked));
  return asked;
}

std::string patched_body(std::string_view body, const Asked& asked, const Patch& patch) {
  struct Change {
    Span at;
    std::string text;
  };
  std::vector<Change> changes;
  std::string added;
  const auto set = [&](std::string_view key, Span at, std::string text) {
    if (at) changes.push_back({at, std::move(text)});
    else added.append("\"").append(key).append("\":").append(text).append(",");
  };
  if (!patch.model.empty()) {
    std::string quoted;
    json::quote(quoted, patch.model);
    changes.push_back({asked.model_at, std::move(quoted)});
  }
  if (patch.stream && !asked.stream) set("stream", asked.stream_at, "true");
  if (patch.stream && patch.usage) {
    set("stream_options", asked.options_at,
        patch.continuous_usage ? R"({"include_usage":true,"continuous_usage_stats":true})"
                               : R"({"include_usage":true})");
  }
  std::sort(changes.begin(), changes.end(),
            [](const Change& a, const Change& b) { return a.at.from < b.at.from; });
  std::string out;
  out.reserve(body.size() + added.size() + 128);
  const auto open = body.find('{') + 1;
  out.append(body.substr(0, open)).append(added);
  std::size_t at = open;
  for (const auto& change : changes) {
    out.append(body.substr(at, change.at.from - at)).append(change.text);
    at = change.at.to;
  }
  return out.append(body.substr(at));
}

}  // namespace bessemer::gateway
