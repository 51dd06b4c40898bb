// YAML events from yaml-cpp, written out as JSON while they come: no tree, no aliases.
#include "application/yaml/yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/parser.h>
#include <yaml-cpp/yaml.h>

#include <set>
#include <sstream>

#include "base/json.h"
#include "base/limits.h"

namespace bessemer::yaml {
namespace {

// Thrown through yaml-cpp's parser, whose own errors are exceptions, and caught below.
struct Refused {
  YAML::Mark mark;
  std::string why;
};

bool is_null(std::string_view text) {
  return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

bool is_true(std::string_view text) { return text == "true" || text == "True" || text == "TRUE"; }
bool is_false(std::string_view text) {
  return text == "false" || text == "False" || text == "FALSE";
}

// The numbers of JSON; "007", "+1", ".5", "0x1f" and "1_000" stay text.
bool is_json_number(std::string_view text) {
  std::size_t i = text.starts_with('-') ? 1 : 0;
  const auto digits = [&] {
    const std::size_t from = i;
    while (i < text.size() && text[i] >= '0' && text[i] <= '9') ++i;
    return i - from;
  };
  const std::size_t first = i;
  const std::size_t whole = digits();
  if (whole == 0 || (whole > 1 && text[first] == '0')) return false;
  if (i < text.size() && text[i] == '.') {
    ++i;
    if (digits() == 0) return false;
  }
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
    if (digits() == 0) return false;
  }
  return i == text.size();
}

// Writes each document of a stream as it is parsed.
class JsonWriter final : public YAML::EventHandler {
 public:
  std::vector<std::string> documents;

  void OnDocumentStart(const YAML::Mark&) override {
    out_.clear();
    open_.clear();
  }
  void OnDocumentEnd() override {
    if (!out_.empty()) documents.push_back(std::move(out_));
    out_.clear();
  }
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    begin(mark, anchor);
    if (open_.empty()) return;  // an empty document
    if (expects_key()) throw Refused{mark, "a key must not be empty"};
    write("null");
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw Refused{mark, "aliases (*name) are not taken; write the value out"};
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    begin(mark, anchor);
    if (tag != "?" && tag != "!" && !tag.empty()) throw Refused{mark, "tags are not taken"};
    if (expects_key()) {
      key(mark, value);
    } else if (tag == "?" && (is_null(value) || is_true(value) || is_false(value))) {
      write(is_null(value) ? "null" : is_true(value) ? "true" : "false");
    } else if (tag == "?" && is_json_number(value)) {
      write(value);
    } else {
      std::string quoted;
      json::quote(quoted, value);
      write(quoted);
    }
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, '[');
  }
  void OnSequenceEnd() override { close(']'); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, '{');
  }
  void OnMapEnd() override { close('}'); }

 private:
  struct Open {
    char bracket = '{';
    bool key_next = true;  // of a map
    bool empty = true;
    std::set<std::string> keys;
  };

  void begin(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0) throw Refused{mark, "anchors (&name) are not taken; write the value out"};
  }
  bool expects_key() const {
    return !open_.empty() && open_.back().bracket == '{' && open_.back().key_next;
  }
  void separate() {
    if (open_.empty()) return;
    if (open_.back().bracket == '[' && !open_.back().empty) out_ += ',';
    open_.back().empty = false;
    open_.back().key_next = true;
  }
  void write(std::string_view json) {
    separate();
    out_ += json;
  }
  void key(const YAML::Mark& mark, const std::string& name) {
    Open& map = open_.back();
    if (!map.keys.insert(name).second) throw Refused{mark, "the key '" + name + "' is given twice"};
    if (!map.empty) out_ += ',';
    json::quote(out_, name);
    out_ += ':';
    map.key_next = false;
  }
  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, char bracket) {
    begin(mark, anchor);
    if (tag != "?" && tag != "!" && !tag.empty()) throw Refused{mark, "tags are not taken"};
    if (expects_key()) throw Refused{mark, "a key must be plain text"};
    if (open_.size() >= limits::json_depth) throw Refused{mark, "nested more than 32 deep"};
    separate();
    out_ += bracket;
    open_.push_back({bracket, true, true, {}});
  }
  void close(char bracket) {
    out_ += bracket;
    open_.pop_back();
  }

  std::string out_;
  std::vector<Open> open_;
};

// Finds the line of a field: of each node on the way to it, the last is the nearest.
class Locator final : public YAML::EventHandler {
 public:
  Locator(std::string_view field, std::size_t document) : field_(field), document_(document) {}
  std::size_t line() const { return line_; }

  void OnDocumentStart(const YAML::Mark&) override { open_.clear(); }
  void OnDocumentEnd() override {
    if (holds_something_) ++at_document_;  // documents() leaves out empty ones too
    holds_something_ = false;
  }
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { (void)meet(mark); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { (void)meet(mark); }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                const std::string& value) override {
    holds_something_ = true;
    if (!open_.empty() && open_.back().map && open_.back().key_next) {
      open_.back().key_next = false;
      open_.back().key = value;
      open_.back().mark = mark;
      return;
    }
    (void)meet(mark);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    holds_something_ = true;
    open_.push_back({false, meet(mark)});
  }
  void OnSequenceEnd() override { open_.pop_back(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    holds_something_ = true;
    open_.push_back({true, meet(mark)});
  }
  void OnMapEnd() override { open_.pop_back(); }

 private:
  struct Open {
    bool map = true;
    std::string path;
    bool key_next = true;
    std::string key = {};
    YAML::Mark mark = {};  // of the key
    std::size_t index = 0;
  };

  // A value begins: its path, noted when the field lies there or within.
  std::string meet(YAML::Mark mark) {
    std::string path;
    if (!open_.empty()) {
      Open& around = open_.back();
      if (around.map) {
        path = around.path.empty() ? around.key : around.path + "." + around.key;
        mark = around.mark;
        around.key_next = true;
      } else {
        path = around.path + "[" + std::to_string(around.index++) + "]";
      }
    }
    const bool there = field_.starts_with(path) &&
                       (path.empty() || field_.size() == path.size() ||
                        field_[path.size()] == '.' || field_[path.size()] == '[');
    if (there && at_document_ == document_) line_ = static_cast<std::size_t>(mark.line) + 1;
    return path;
  }

  std::string_view field_;
  std::size_t document_, at_document_ = 0, line_ = 0;
  bool holds_something_ = false;
  std::vector<Open> open_;
};

Error refused(const YAML::Mark& mark, std::string_view why) {
  return invalid(fmt::format("line {}, column {}: {}", mark.line + 1, mark.column + 1, why));
}

}  // namespace

Result<std::vector<std::string>> documents(std::string_view text) {
  if (text.size() > max_bytes) return invalid("a YAML file may be at most 1 MiB");
  std::istringstream in{std::string(text)};
  JsonWriter writer;
  try {
    YAML::Parser parser(in);
    while (parser.HandleNextDocument(writer)) {
    }
  } catch (const Refused& refusal) {
    return refused(refusal.mark, refusal.why);
  } catch (const YAML::Exception& error) {
    return refused(error.mark, error.msg);
  }
  return std::move(writer.documents);
}

std::size_t line_of(std::string_view text, std::string_view field, std::size_t document) {
  std::istringstream in{std::string(text)};
  Locator locator(field, document);
  try {
    YAML::Parser parser(in);
    while (parser.HandleNextDocument(locator)) {
    }
  } catch (const YAML::Exception&) {
    return 0;
  }
  return locator.line();
}

Result<std::string> to_json(std::string_view text) {
  TRY_ASSIGN(auto all, documents(text));
  if (all.size() != 1) {
    return invalid(fmt::format("must hold one YAML document; this holds {}", all.size()));
  }
  return std::move(all.front());
}

}  // namespace bessemer::yaml
