// A strict reader of flat JSON objects of numbers, small enough for the static supervisor.
#include "compute/executor/lines.h"

#include <charconv>
#include <cmath>

namespace bessemer::executor {
namespace {

struct Number {
  double real = 0;
  std::optional<std::int64_t> whole;  // when it is written as an integer that fits
};

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  void skip_space() {
    while (!text_.empty() && (text_[0] == ' ' || text_[0] == '\t' || text_[0] == '\r')) {
      text_.remove_prefix(1);
    }
  }
  bool take(char c) {
    skip_space();
    if (text_.empty() || text_[0] != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool at_end() {
    skip_space();
    return text_.empty();
  }

  // Names: printable, no escapes needed by anyone who names a metric.
  Result<std::string> name() {
    if (!take('"')) return invalid("expected a name in quotes");
    const auto end = text_.find_first_of("\"\\");
    if (end == std::string_view::npos || text_[end] == '\\') {
      return invalid("a name must end with a quote and hold no backslash");
    }
    std::string out(text_.substr(0, end));
    if (out.empty() || out.size() > 128) return invalid("a name must have 1 to 128 bytes");
    for (const char c : out) {
      if (static_cast<unsigned char>(c) < 0x20) return invalid("a name must be printable");
    }
    text_.remove_prefix(end + 1);
    return out;
  }

  Result<Number> number() {
    skip_space();
    const auto length = text_.find_first_not_of("+-0123456789.eE");
    const std::string_view token = text_.substr(0, length);
    const std::size_t digits = token.starts_with('-') ? 1 : 0;
    const bool leading_zero =
        token.size() > digits + 1 && token[digits] == '0' && token[digits + 1] >= '0' &&
        token[digits + 1] <= '9';
    if (token.size() <= digits || token[digits] < '0' || token[digits] > '9' || leading_zero) {
      return invalid("expected a number");
    }
    Number out;
    const auto parsed = std::from_chars(token.data(), token.data() + token.size(), out.real);
    if (parsed.ec != std::errc{} || parsed.ptr != token.data() + token.size() ||
        !std::isfinite(out.real)) {
      return invalid("expected a finite number");
    }
    if (token.find_first_of(".eE") == std::string_view::npos) {
      std::int64_t whole = 0;
      const auto read = std::from_chars(token.data(), token.data() + token.size(), whole);
      if (read.ec == std::errc{}) out.whole = whole;
    }
    text_.remove_prefix(token.size());
    return out;
  }

  // Calls visit(name, number) for each member of a flat object.
  template <class Visit>
  Result<void> object(Visit&& visit) {
    if (!take('{')) return invalid("expected an object");
    if (take('}')) return {};
    do {
      TRY_ASSIGN(const std::string key, name());
      if (!take(':')) return invalid("expected ':' after the name");
      auto value = number();
      if (!value) return std::move(value).error().within(key);
      TRY(visit(key, *value));
    } while (take(','));
    if (!take('}')) return invalid("expected ',' or '}'");
    return {};
  }

 private:
  std::string_view text_;
};

Result<std::int64_t> whole(const std::string& key, const Number& value) {
  if (!value.whole) return invalid("must be an integer").at(key);
  return *value.whole;
}

Result<Metrics> metrics(Reader& from) {
  Metrics out;
  TRY(from.object([&](const std::string& key, const Number& value) -> Result<void> {
    if (key == "step") {
      if (out.step) return invalid("is given twice").at(key);
      TRY_ASSIGN(out.step, whole(key, value));
      return {};
    }
    if (out.values.size() >= limits::metrics_per_line) {
      return invalid("a line may hold at most 256 metrics");
    }
    if (!out.values.try_emplace(key, value.real).second) {
      return invalid("is given twice").at(key);
    }
    return {};
  }));
  if (out.values.empty()) return invalid("holds no metric").fix("add a name with a number");
  return out;
}

Result<Checkpoint> checkpoint(Reader& from) {
  Checkpoint out;
  TRY(from.object([&](const std::string& key, const Number& value) -> Result<void> {
    if (key != "step" || out.step) return invalid("may only hold one \"step\"").at(key);
    TRY_ASSIGN(out.step, whole(key, value));
    return {};
  }));
  return out;
}

Result<Progress> progress(Reader& from) {
  std::optional<std::int64_t> done, of;
  TRY(from.object([&](const std::string& key, const Number& value) -> Result<void> {
    auto& field = key == "done" ? done : of;
    if ((key != "done" && key != "of") || field) {
      return invalid("may only hold one \"done\" and one \"of\"").at(key);
    }
    TRY_ASSIGN(field, whole(key, value));
    return {};
  }));
  if (!done || !of || *done < 0 || *of < 0) return invalid("needs \"done\" and \"of\", from 0 up");
  return Progress{*done, *of};
}

Result<void> check_line(std::string_view line) {
  if (line.size() > limits::line_bytes) return invalid("a line may have at most 4096 bytes");
  return {};
}

}  // namespace

Result<Metrics> parse_metrics(std::string_view line) {
  TRY(check_line(line));
  Reader from(line);
  TRY_ASSIGN(Metrics out, metrics(from));
  if (!from.at_end()) return invalid("text after the object");
  return out;
}

Result<wire::Mark> parse_said(std::string_view line) {
  TRY(check_line(line));
  Reader from(line);
  if (!from.take('{')) return invalid("expected an object");
  TRY_ASSIGN(const std::string key, from.name());
  if (!from.take(':')) return invalid("expected ':' after the name");
  wire::Mark out;
  if (key == "metrics") {
    TRY_ASSIGN(out, metrics(from));
  } else if (key == "checkpoint") {
    TRY_ASSIGN(out, checkpoint(from));
  } else if (key == "progress") {
    TRY_ASSIGN(out, progress(from));
  } else {
    return invalid("must be one of: metrics, checkpoint, progress");
  }
  if (!from.take('}') || !from.at_end()) return invalid("expected the end of the object");
  return out;
}

}  // namespace bessemer::executor
