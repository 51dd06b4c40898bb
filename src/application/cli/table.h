// Tables for people: columns of documents, aligned.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "application/cli/document.h"
#include "base/time.h"

namespace bessemer::cli {

// How a value is shown.
enum class Show : std::uint8_t {
  text,
  age,       // "5m" since an RFC 3339 moment
  moment,    // without its fraction of a second
  bytes,     // "1.5 GiB"
  digest,    // the first 12 characters
  count,     // how many elements a list has
  words,     // a list's elements, joined by commas
  number,    // to the right
};

struct Column {
  std::string_view title;
  std::string_view path;  // in each document; of several, parted by '|', the first not empty
  Show show = Show::text;
};

std::string show(const Document& row, const Column& column, Instant now);

// Lines of at most `width` characters (0: no limit, as for pipes); titles in capitals. Control
// characters, with which a name could write to the terminal, are shown as '?'.
std::string render_table(const std::vector<Column>& columns,
                         const std::vector<const Document*>& rows, Instant now, std::size_t width);

// "field  value" lines, nested ones indented: one thing for a person.
std::string render_fields(const Document& document);

// Replaces control characters, except line ends, by '?'.
std::string printable(std::string_view text);

}  // namespace bessemer::cli
