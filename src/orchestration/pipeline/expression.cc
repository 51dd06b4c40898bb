// Texts with ${...}: parsed into pieces, filled in, found in JSON.
#include "orchestration/pipeline/expression.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/text.h"

namespace bessemer::pipeline {

namespace {

Error at_text(std::string_view what, std::string_view text) {
  return invalid(fmt::format("{} in \"{}\"", what, text.substr(0, 80)));
}

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// "train.outputs.model" -> {"train", "model"}; a step's name holds no dot, the last part may.
Result<Reference> parse_step_reference(std::string_view text, std::string_view whole) {
  const Error unclear =
      at_text("must be steps.STEP.outputs.NAME or steps.STEP.metrics.NAME", whole);
  Reference reference;
  const std::size_t dot = text.find('.');
  if (dot == std::string_view::npos || dot == 0) return unclear;
  reference.step = std::string(text.substr(0, dot));
  text.remove_prefix(dot + 1);
  if (text.starts_with("outputs.")) reference.scope = Scope::outputs;
  else if (text.starts_with("metrics.")) reference.scope = Scope::metrics;
  else return unclear;
  reference.name = std::string(text.substr(8));
  if (reference.name.empty() || reference.name.size() > limits::name) return unclear;
  if (reference.step.size() > limits::name) return unclear;
  return reference;
}

Result<Reference> parse_reference(std::string_view text, std::string_view whole) {
  text = trim(text);
  if (text.starts_with("steps.")) return parse_step_reference(text.substr(6), whole);
  Reference reference;
  if (text.starts_with("params.")) reference.scope = Scope::params;
  else if (text.starts_with("matrix.")) reference.scope = Scope::matrix;
  else return at_text("${...} must name params.…, matrix.… or steps.…", whole);
  reference.name = std::string(text.substr(7));
  if (!check_parameter_name(reference.name)) return at_text("${...} names no parameter", whole);
  return reference;
}

// A value as json::Value::raw writes it: no blanks, and in strings only what `quote` escapes.
Result<std::string> canonical(const json::Raw& value) {
  std::string out;
  TRY(json::parse("[" + value.text + "]", [&](json::Value& root) -> Result<void> {
    return root.array([&](json::Value& only) -> Result<void> {
      if (!out.empty()) return invalid("must be one JSON value");
      TRY_ASSIGN(out, only.raw());
      return {};
    });
  }));
  if (out.empty()) return invalid("must be a JSON value");
  return out;
}

// Where the string that begins at `at` ends: the offset behind its closing quote.
// Requires: `json` is canonical.
std::size_t string_end(std::string_view json, std::size_t at) {
  for (++at; at < json.size() && json[at] != '"'; ++at) {
    if (json[at] == '\\') ++at;
  }
  check(at < json.size(), "expression: JSON that is not canonical");
  return at + 1;
}

// The text of a canonical string token, quotes included.
std::string unquoted(std::string_view token) {
  std::string out;
  token = token.substr(1, token.size() - 2);
  for (std::size_t at = 0; at < token.size(); ++at) {
    if (token[at] != '\\') {
      out += token[at];
      continue;
    }
    const char escaped = token[++at];
    switch (escaped) {
      case 'n': out += '\n'; break;
      case 't': out += '\t'; break;
      case 'r': out += '\r'; break;
      case 'b': out += '\b'; break;
      case 'f': out += '\f'; break;
      case 'u': {
        const auto code = from_hex(token.substr(at + 1, 4));
        check(code && (*code)[0] == 0, "expression: JSON that is not canonical");
        out += (*code)[1];
        at += 4;
        break;
      }
      default: out += escaped;
    }
  }
  return out;
}

// A JSON value with take(text) in the place of every string that is a value, not a key.
// Nothing is parsed while something else is being parsed: the parser is one per thread.
template <class Take>
Result<std::string> rebuild(const json::Raw& value, Take&& take) {
  TRY_ASSIGN(const std::string whole, canonical(value));
  std::string out;
  for (std::size_t at = 0; at < whole.size();) {
    if (whole[at] != '"') {
      out += whole[at++];
      continue;
    }
    const std::size_t end = string_end(whole, at);
    const std::string_view token = std::string_view(whole).substr(at, end - at);
    if (end < whole.size() && whole[end] == ':') {
      out += token;
    } else {
      TRY_ASSIGN(const std::string taken, take(unquoted(token)));
      out += taken;
    }
    at = end;
  }
  return out;
}

}  // namespace

Result<void> check_parameter_name(std::string_view name) {
  const bool fits = !name.empty() && name.size() <= limits::name &&
                    !(name.front() >= '0' && name.front() <= '9') &&
                    std::all_of(name.begin(), name.end(), is_word);
  if (!fits) return invalid("must be 1 to 63 of a-z A-Z 0-9 _ and begin with no digit");
  return {};
}

std::string to_text(const Reference& reference) {
  switch (reference.scope) {
    case Scope::params: return "params." + reference.name;
    case Scope::matrix: return "matrix." + reference.name;
    case Scope::outputs: return fmt::format("steps.{}.outputs.{}", reference.step, reference.name);
    case Scope::metrics: return fmt::format("steps.{}.metrics.{}", reference.step, reference.name);
  }
  return {};
}

Result<std::vector<Piece>> parse_text(std::string_view text) {
  if (text.size() > max_expression) return invalid("must be at most 4096 bytes");
  std::vector<Piece> pieces;
  std::string plain;
  std::size_t references = 0;
  for (std::size_t at = 0; at < text.size();) {
    if (text.substr(at).starts_with("$${")) {
      plain += "${";
      at += 3;
    } else if (text.substr(at).starts_with("${")) {
      const std::size_t end = text.find('}', at);
      if (end == std::string_view::npos) return at_text("${ without }", text);
      TRY_ASSIGN(Reference reference, parse_reference(text.substr(at + 2, end - at - 2), text));
      if (++references > max_references) return invalid("may hold at most 64 references");
      if (!plain.empty()) pieces.push_back({std::move(plain), {}});
      plain.clear();
      pieces.push_back({{}, std::move(reference)});
      at = end + 1;
    } else {
      plain += text[at++];
    }
  }
  if (!plain.empty() || pieces.empty()) pieces.push_back({std::move(plain), {}});
  return pieces;
}

Result<std::string> expand(std::string_view text, const Lookup& lookup) {
  TRY_ASSIGN(const auto pieces, parse_text(text));
  std::string out;
  for (const Piece& piece : pieces) {
    if (!piece.reference) {
      out += piece.text;
      continue;
    }
    TRY_ASSIGN(const json::Raw value, lookup.value(*piece.reference));
    TRY_ASSIGN(const std::string filled, canonical(value));
    out += filled.starts_with('"') ? unquoted(filled) : filled;
    if (out.size() > 16 * max_expression) return invalid("becomes longer than 64 KiB");
  }
  return out;
}

Result<json::Raw> expand(const json::Raw& value, const Lookup& lookup) {
  TRY_ASSIGN(std::string out, rebuild(value, [&](std::string_view text) -> Result<std::string> {
    TRY_ASSIGN(const auto pieces, parse_text(text));
    if (pieces.size() == 1 && pieces.front().reference) {
      TRY_ASSIGN(const json::Raw whole, lookup.value(*pieces.front().reference));
      return whole.text;
    }
    TRY_ASSIGN(const std::string filled, expand(text, lookup));
    std::string quoted;
    json::quote(quoted, filled);
    return quoted;
  }));
  return json::Raw{std::move(out)};
}

Result<std::vector<Reference>> references_in(std::string_view text) {
  TRY_ASSIGN(const auto pieces, parse_text(text));
  std::vector<Reference> found;
  for (const Piece& piece : pieces) {
    if (piece.reference) found.push_back(*piece.reference);
  }
  return found;
}

Result<std::vector<Reference>> references_in(const json::Raw& value) {
  std::vector<Reference> found;
  TRY(rebuild(value, [&](std::string_view text) -> Result<std::string> {
    TRY_ASSIGN(const auto inside, references_in(text));
    found.insert(found.end(), inside.begin(), inside.end());
    return std::string("null");
  }));
  return found;
}

}  // namespace bessemer::pipeline
