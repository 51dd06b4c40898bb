// Aligned columns in characters, not bytes.
#include "application/cli/table.h"

#include <algorithm>

#include "base/text.h"

namespace bessemer::cli {
namespace {

using Kind = Document::Kind;

// Characters, counting each code point as one.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::string age_of(std::string_view text, Instant now) {
  const auto at = from_text(std::type_identity<Instant>{}, text);
  if (!at) return std::string(text);
  std::int64_t seconds = std::max<std::int64_t>(0, (now - *at).ns / 1'000'000'000);
  const auto unit = [&](std::int64_t size, const char* name) {
    return std::to_string(seconds / size) + name;
  };
  if (seconds < 120) return unit(1, "s");
  if (seconds < 2 * 3600) return unit(60, "m");
  if (seconds < 2 * 86400) return unit(3600, "h");
  return unit(86400, "d");
}

std::string bytes_of(std::string_view text) {
  const auto bytes = parse_unsigned(text);
  if (!bytes) return std::string(text);
  static constexpr std::string_view units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  std::size_t unit = 0;
  std::uint64_t tenths = *bytes > UINT64_MAX / 10 ? UINT64_MAX : *bytes * 10;
  while (tenths >= 10240 && unit + 1 < std::size(units)) {
    tenths /= 1024;
    ++unit;
  }
  std::string out = std::to_string(tenths / 10);
  if (unit > 0 && tenths < 1000) out += "." + std::to_string(tenths % 10);
  return out + " " + std::string(units[unit]);
}

std::string moment_of(std::string_view text) {
  const std::size_t dot = text.find('.');
  return dot == std::string_view::npos ? std::string(text) : std::string(text.substr(0, dot)) + "Z";
}

std::string words_of(const Document& list) {
  std::string out;
  for (const auto& [name, member] : list.members) {
    if (!out.empty()) out += ",";
    const bool scalar = !member.is(Kind::object) && !member.is(Kind::list);
    out += list.is(Kind::object) ? name + "=" : std::string();
    out += scalar ? member.scalar : to_json(member, Layout::compact);
  }
  return out;
}

const Document* first_of(const Document& row, std::string_view paths) {
  for (const std::string_view path : split(paths, '|')) {
    const Document* found = row.find(path);
    if (found != nullptr && !(found->is(Kind::text) && found->scalar.empty())) return found;
  }
  return nullptr;
}

void fields_below(const Document& value, std::size_t depth, std::string& out) {
  std::size_t longest = 0;
  for (const auto& [name, member] : value.members) longest = std::max(longest, name.size());
  std::size_t index = 0;
  for (const auto& [name, member] : value.members) {
    const std::string key = value.is(Kind::list) ? std::to_string(index++) : name;
    out += std::string(2 * depth, ' ') + printable(key);
    const bool nested = (member.is(Kind::list) || member.is(Kind::object)) &&
                        !member.members.empty();
    const bool flat = nested && member.is(Kind::list) &&
                      std::all_of(member.members.begin(), member.members.end(), [](const auto& m) {
                        return !m.second.is(Kind::list) && !m.second.is(Kind::object);
                      });
    if (nested && !flat) {
      out += '\n';
      fields_below(member, depth + 1, out);
      continue;
    }
    const std::string text = flat ? words_of(member) : member.is(Kind::null) ? "-" : member.scalar;
    if (!text.empty()) {
      out += std::string(std::max(longest, key.size()) - key.size() + 2, ' ');
      out += printable(text);
    }
    out += '\n';
  }
}

}  // namespace

std::string printable(std::string_view text) {
  if (!is_utf8(text)) return "?";
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    // The C1 controls are two bytes in UTF-8: c2 80 to c2 9f.
    const bool c1 = c == 0xc2 && i + 1 < text.size() &&
                    static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (c1) ++i;
    out += (c < 0x20 && c != '\n') || c == 0x7f || c1 ? '?' : text[i];
  }
  return out;
}

std::string show(const Document& row, const Column& column, Instant now) {
  const Document* value = first_of(row, column.path);
  if (value == nullptr) return "-";
  std::string text;
  switch (column.show) {
    case Show::age: text = age_of(value->scalar, now); break;
    case Show::moment: text = moment_of(value->scalar); break;
    case Show::bytes: text = bytes_of(value->scalar); break;
    case Show::digest: text = value->scalar.substr(0, 12); break;
    case Show::count: text = std::to_string(value->members.size()); break;
    case Show::words: text = words_of(*value); break;
    case Show::text:
    case Show::number:
      text = value->is(Kind::list) || value->is(Kind::object) ? words_of(*value) : value->scalar;
      break;
  }
  text = printable(text);
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text.empty() ? "-" : text;
}

std::string render_table(const std::vector<Column>& columns,
                         const std::vector<const Document*>& rows, Instant now,
                         std::size_t width) {
  std::vector<std::vector<std::string>> cells;
  std::vector<std::size_t> widths;
  for (const Column& column : columns) widths.push_back(column.title.size());
  for (const Document* row : rows) {
    auto& line = cells.emplace_back();
    for (std::size_t i = 0; i < columns.size(); ++i) {
      line.push_back(show(*row, columns[i], now));
      widths[i] = std::max(widths[i], width_of(line.back()));
    }
  }
  std::string out;
  const auto write_line = [&](auto text_of) {
    std::string line;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const std::string text(text_of(i));
      const bool last = i + 1 == columns.size();
      const std::string space(widths[i] - width_of(text), ' ');
      const bool right = columns[i].show == Show::number || columns[i].show == Show::bytes;
      line += right ? space + text : last ? text : text + space;
      if (!last) line += "  ";
    }
    if (width > 0 && width_of(line) > width) {
      std::size_t end = 0, seen = 0;
      for (; end < line.size(); ++end) {
        if ((static_cast<unsigned char>(line[end]) & 0xc0) != 0x80 && seen++ == width) break;
      }
      line.resize(end);
    }
    while (line.ends_with(' ')) line.pop_back();
    out += line + "\n";
  };
  write_line([&](std::size_t i) { return columns[i].title; });
  for (const auto& line : cells) {
    write_line([&](std::size_t i) -> const std::string& { return line[i]; });
  }
  return out;
}

std::string render_fields(const Document& document) {
  std::string out;
  if (document.members.empty()) return printable(document.scalar) + "\n";
  fields_below(document, 0, out);
  return out;
}

}  // namespace bessemer::cli
