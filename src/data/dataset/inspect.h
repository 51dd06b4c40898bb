// What the bytes of a dataset must look like, and the reading that checks it.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/describe.h"
#include "base/result.h"

namespace bessemer::dataset {

constexpr std::size_t max_columns = 1'000;
constexpr std::size_t max_problems = 20;           // kept of one inspection
constexpr std::size_t max_line = std::size_t{16} << 20;  // bytes of one row

// How files are read. `any` files are counted, never opened up.
enum class Format : std::uint8_t { any, text, csv, jsonl, idx };
DESCRIBE_ENUM(Format, any, text, csv, jsonl, idx)

enum class ColumnType : std::uint8_t { text, integer, number, boolean };
DESCRIBE_ENUM(ColumnType, text, integer, number, boolean)

struct Column {
  std::string name;
  ColumnType type = ColumnType::text;
  std::optional<bool> required;  // left out: true; false allows empty or absent values
  friend bool operator==(const Column&, const Column&) = default;
};
DESCRIBE(Column, name, type, required)

// What every file of the dataset is, and how much must be there. Left out: anything goes.
struct Schema {
  std::optional<Format> format;          // left out: any
  std::vector<Column> columns;           // of csv (in order, named by the header) and jsonl
  std::optional<std::uint64_t> min_rows;
  std::optional<std::uint64_t> max_rows;
  std::vector<std::string> files;        // paths that must be there
  friend bool operator==(const Schema&, const Schema&) = default;
};
DESCRIBE(Schema, format, columns, min_rows, max_rows, files)

// What an inspection found.
struct Validation {
  bool passed = false;
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  std::uint64_t rows = 0;              // lines, records or items; 0 for `any`
  std::uint64_t problem_count = 0;
  std::vector<std::string> problems;   // the first max_problems: "a.csv:17: price: not a number"
  friend bool operator==(const Validation&, const Validation&) = default;
};
DESCRIBE(Validation, passed, files, bytes, rows, problem_count, problems)

// Errors: invalid (too many columns, a column twice, columns of a format that has none, range).
Result<void> check_schema(const Schema& schema);

// Reads a dataset front to back, in pieces of any size; memory is bounded by one row.
//
// text: rows are lines of UTF-8. csv: RFC 4180 with a header line; rows are records. jsonl: one
// object a line. idx: the MNIST format; rows are items of the first dimension.
class Inspection {
 public:
  // Requires: check_schema(schema).
  explicit Inspection(const Schema& schema);
  ~Inspection();
  Inspection(Inspection&&) noexcept;
  Inspection& operator=(Inspection&&) noexcept;

  void begin_file(std::string_view path);
  void add(std::string_view bytes);
  void end_file();
  Validation finish();

 private:
  struct Reading;
  std::unique_ptr<Reading> reading_;
};

}  // namespace bessemer::dataset
