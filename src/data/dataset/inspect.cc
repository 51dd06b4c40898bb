// Reads the files of a dataset row by row and says what does not fit its schema.
#include "data/dataset/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "base/check.h"
#include "base/json.h"
#include "base/text.h"

namespace bessemer::dataset {

namespace {

constexpr std::size_t max_column_name = 256;  // bytes
constexpr std::size_t max_problem = 500;      // bytes

bool needed(const Column& column) { return column.required.value_or(true); }

// Nothing, or what is wrong with a value that is written as text.
std::string_view misfit(ColumnType type, std::string_view value) {
  const auto all_read = [&](auto number) {
    const char* const end = value.data() + value.size();
    const auto [stop, code] = std::from_chars(value.data(), end, number);
    return code == std::errc{} && stop == end;
  };
  switch (type) {
    case ColumnType::text: return {};
    case ColumnType::integer: return all_read(std::int64_t{}) ? "" : "is not a whole number";
    case ColumnType::number: return all_read(double{}) ? "" : "is not a number";
    case ColumnType::boolean:
      return value == "true" || value == "false" || value == "0" || value == "1"
                 ? ""
                 : "is neither true nor false";
  }
  return {};
}

// Nothing, or what is wrong with a JSON value.
std::string_view misfit(ColumnType type, json::Value& value) {
  switch (type) {
    case ColumnType::text: return value.string() ? "" : "is not a string";
    case ColumnType::integer: return value.integer() ? "" : "is not a whole number";
    case ColumnType::number: return value.real() ? "" : "is not a number";
    case ColumnType::boolean: return value.boolean() ? "" : "is neither true nor false";
  }
  return {};
}

std::uint32_t big_endian(std::string_view bytes) {
  std::uint32_t value = 0;
  for (const char c : bytes.substr(0, 4)) value = value << 8 | static_cast<std::uint8_t>(c);
  return value;
}

}  // namespace

Result<void> check_schema(const Schema& schema) {
  const Format format = schema.format.value_or(Format::any);
  if (schema.columns.size() > max_columns) {
    return invalid("there may be at most 1000 columns").at("columns");
  }
  const bool has_columns = format == Format::csv || format == Format::jsonl;
  if (!schema.columns.empty() && !has_columns) {
    return invalid("only csv and jsonl have columns").at("columns").fix("set format");
  }
  std::set<std::string> seen;
  for (const Column& column : schema.columns) {
    if (column.name.empty() || column.name.size() > max_column_name || !is_utf8(column.name)) {
      return invalid("a column's name must be 1 to 256 bytes of UTF-8").at("columns");
    }
    if (!seen.insert(column.name).second) {
      return invalid(fmt::format("the column {} is there twice", column.name)).at("columns");
    }
  }
  if (format == Format::any && (schema.min_rows || schema.max_rows)) {
    return invalid("rows are counted only where a format is given").at("min_rows");
  }
  if (schema.min_rows && schema.max_rows && *schema.min_rows > *schema.max_rows) {
    return invalid("must not be more than max_rows").at("min_rows");
  }
  if (schema.files.size() > limits::list) return invalid("at most 10000 files").at("files");
  for (const std::string& path : schema.files) {
    auto fits = check_relative_path(path);
    if (!fits) return std::move(fits).error().at("files");
  }
  return {};
}

// Each format has a step for bytes and one for the end of a file; what they share is the row.
struct Inspection::Reading {
  Schema schema;
  Format format = Format::any;
  Validation found;
  std::set<std::string> missing;  // files that must come

  // Of the present file.
  std::string path;
  std::string row;               // bytes of the row that is not complete
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  bool broken = false;           // no more can be said about this file
  bool in_quotes = false;        // csv
  bool header_seen = false;      // csv
  std::vector<const Column*> columns;  // csv: by position; null for one the schema leaves out
  std::uint64_t expected = 0;    // idx: bytes of the whole file

  void complain(std::string what) {
    ++found.problem_count;
    if (found.problems.size() >= max_problems) return;
    if (what.size() > max_problem) what.resize(max_problem);
    while (!is_utf8(what)) what.pop_back();  // cut inside a character
    found.problems.push_back(std::move(what));
  }
  void complain_row(std::string_view what) {
    complain(fmt::format("{}:{}: {}", path, rows + (format == Format::csv ? 1 : 0), what));
  }

  void add(std::string_view piece) {
    bytes += piece.size();
    found.bytes += piece.size();
    if (broken || format == Format::any) return;
    if (format == Format::idx) return add_idx(piece);
    for (std::size_t start = 0; start < piece.size() && !broken;) {
      std::size_t end = start;
      while (end < piece.size() && (piece[end] != '\n' || in_quotes)) {
        if (format == Format::csv && piece[end] == '"') in_quotes = !in_quotes;
        ++end;
      }
      row.append(piece.substr(start, end - start));
      if (row.size() > max_line) {
        complain_row("is longer than 16 MiB");
        broken = true;
      } else if (end < piece.size()) {
        end_row();
      }
      start = end + 1;
    }
  }

  void end_row() {
    if (row.ends_with('\r')) row.pop_back();
    if (format == Format::csv && !header_seen) {
      header_seen = true;
      read_header();
    } else if (format == Format::text || !row.empty()) {
      ++rows;
      if (!is_utf8(row)) complain_row("is not UTF-8");
      else if (format == Format::csv) read_record();
      else if (format == Format::jsonl) read_object();
    }
    row.clear();
  }

  // The fields of a csv record (RFC 4180); nothing when quotes are where they must not be.
  std::optional<std::vector<std::string>> fields() const {
    std::vector<std::string> out(1);
    bool quoted = false;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const char c = row[i];
      if (quoted) {
        if (c != '"') out.back() += c;
        else if (i + 1 < row.size() && row[i + 1] == '"') out.back() += row[++i];
        else quoted = false;
      } else if (c == ',') {
        out.emplace_back();
      } else if (c == '"') {
        const bool opens = out.back().empty() && (i == 0 || row[i - 1] == ',');
        if (!opens) return std::nullopt;
        quoted = true;
      } else {
        if (i > 0 && row[i - 1] == '"') return std::nullopt;
        out.back() += c;
      }
    }
    if (quoted) return std::nullopt;
    return out;
  }

  void read_header() {
    if (row.starts_with("\xef\xbb\xbf")) row.erase(0, 3);
    const auto names = fields();
    if (!names) {
      complain_row("the header is not csv");
      broken = true;
      return;
    }
    columns.clear();
    std::set<std::string> there, twice;
    for (const std::string& name : *names) {
      if (!there.insert(name).second && !name.empty()) twice.insert(name);
      const auto column = std::find_if(schema.columns.begin(), schema.columns.end(),
                                       [&](const Column& one) { return one.name == name; });
      columns.push_back(column == schema.columns.end() ? nullptr : &*column);
    }
    for (const std::string& name : twice) {
      complain_row(fmt::format("the column {} is there twice", name));
    }
    for (const Column& column : schema.columns) {
      if (needed(column) && !there.contains(column.name)) {
        complain_row(fmt::format("the column {} is missing", column.name));
      }
    }
  }

  void read_record() {
    const auto values = fields();
    if (!values) return complain_row("quotes are where they must not be");
    if (values->size() != columns.size()) {
      return complain_row(
          fmt::format("has {} fields, the header {}", values->size(), columns.size()));
    }
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (columns[i] == nullptr) continue;
      const std::string& value = (*values)[i];
      if (value.empty() && columns[i]->type != ColumnType::text) {
        if (needed(*columns[i])) complain_row(fmt::format("{} is empty", columns[i]->name));
        continue;
      }
      const std::string_view why = misfit(columns[i]->type, value);
      if (!why.empty()) complain_row(fmt::format("{} {}", columns[i]->name, why));
    }
  }

  void read_object() {
    std::set<std::string> there;
    std::string wrong;
    const auto parsed = json::parse(row, [&](json::Value& root) -> Result<void> {
      return root.object([&](std::string_view key, json::Value& value) -> Result<void> {
        const auto column = std::find_if(schema.columns.begin(), schema.columns.end(),
                                         [&](const Column& one) { return one.name == key; });
        // A member that the schema leaves out must be JSON all the same.
        if (column == schema.columns.end()) {
          TRY(value.raw());
          return {};
        }
        if (value.is_null() && !needed(*column)) return {};
        there.insert(column->name);
        const std::string_view why = misfit(column->type, value);
        if (!why.empty()) {
          wrong = fmt::format("{} {}", column->name, why);
          return invalid(wrong);
        }
        return {};
      });
    });
    if (!wrong.empty()) return complain_row(wrong);
    if (!parsed) return complain_row(to_text(parsed.error()));
    for (const Column& column : schema.columns) {
      if (needed(column) && !there.contains(column.name)) {
        complain_row(fmt::format("{} is missing", column.name));
      }
    }
  }

  // Magic (0, 0, type, dimensions), then one big-endian size per dimension, then the data.
  void add_idx(std::string_view piece) {
    constexpr std::size_t most = 4 + 4 * 255;
    row.append(piece.substr(0, most - std::min(most, row.size())));
    if (expected != 0 || row.size() < 4) return;
    const auto dimensions = static_cast<std::uint8_t>(row[3]);
    const std::map<std::uint8_t, std::uint64_t> widths = {{0x08, 1}, {0x09, 1}, {0x0b, 2},
                                                          {0x0c, 4}, {0x0d, 4}, {0x0e, 8}};
    const auto width = widths.find(static_cast<std::uint8_t>(row[2]));
    if (row[0] != 0 || row[1] != 0 || width == widths.end() || dimensions == 0) {
      complain(path + ": is not an idx file");
      broken = true;
      return;
    }
    const std::size_t head = 4 + std::size_t{4} * dimensions;
    if (row.size() < head) return;
    std::uint64_t size = width->second;
    for (std::size_t at = 4; at < head; at += 4) {
      const std::uint64_t dimension = big_endian(std::string_view(row).substr(at));
      if (dimension != 0 && size > (std::uint64_t{1} << 50) / dimension) {
        complain(path + ": announces more than 1 PiB");
        broken = true;
        return;
      }
      size *= dimension;
    }
    expected = head + size;
    rows = big_endian(std::string_view(row).substr(4));
  }

  void end_file() {
    if (format == Format::idx && !broken) {
      if (expected == 0) complain(path + ": the header is cut short");
      else if (bytes != expected) {
        complain(fmt::format("{}: has {} bytes, its header announces {}", path, bytes, expected));
      }
    } else if (format != Format::any && !broken) {
      if (in_quotes) {
        ++rows;
        complain_row("a quote is not closed");
      } else if (!row.empty()) {
        end_row();
      }
      if (format == Format::csv && !header_seen) complain(path + ": has no header");
    }
    found.rows += rows;
    ++found.files;
    missing.erase(path);
  }
};

Inspection::Inspection(const Schema& schema) : reading_(std::make_unique<Reading>()) {
  check(check_schema(schema).has_value(), "inspection: a schema that was not checked");
  reading_->schema = schema;
  reading_->format = schema.format.value_or(Format::any);
  reading_->missing.insert(schema.files.begin(), schema.files.end());
}
Inspection::~Inspection() = default;
Inspection::Inspection(Inspection&&) noexcept = default;
Inspection& Inspection::operator=(Inspection&&) noexcept = default;

void Inspection::begin_file(std::string_view path) {
  Reading& r = *reading_;
  r.path = std::string(path);
  r.row.clear();
  r.columns.clear();
  r.rows = r.bytes = r.expected = 0;
  r.broken = r.in_quotes = r.header_seen = false;
}
void Inspection::add(std::string_view bytes) { reading_->add(bytes); }
void Inspection::end_file() { reading_->end_file(); }

Validation Inspection::finish() {
  Reading& r = *reading_;
  for (const std::string& path : r.missing) r.complain(path + ": is missing");
  if (r.schema.min_rows && r.found.rows < *r.schema.min_rows) {
    r.complain(fmt::format("{} rows are fewer than the {} required", r.found.rows,
                           *r.schema.min_rows));
  }
  if (r.schema.max_rows && r.found.rows > *r.schema.max_rows) {
    r.complain(fmt::format("{} rows are more than the {} allowed", r.found.rows,
                           *r.schema.max_rows));
  }
  r.found.passed = r.found.problem_count == 0;
  return r.found;
}

}  // namespace bessemer::dataset
