// Paths and queries: decoding and encoding.
#include "application/http/uri.h"

#include "application/http/characters.h"
#include "base/text.h"

namespace bessemer::http {
namespace {

enum class Plus : bool { literal, space };

Result<std::string> decode(std::string_view text, Plus plus) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus == Plus::space) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0) return invalid("'%' must be followed by two hexadecimal digits");
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  if (out.find('\0') != std::string::npos) return invalid("must not hold a NUL");
  if (!is_utf8(out)) return invalid("must be UTF-8");
  return out;
}

}  // namespace

Result<std::vector<std::string>> decode_path(std::string_view path) {
  if (!path.starts_with('/')) return invalid("must start with '/'").at("path");
  path.remove_prefix(1);
  std::vector<std::string> parts;
  if (path.empty()) return parts;
  for (const auto encoded : split(path, '/')) {
    if (parts.size() == max_segments) return invalid("must have at most 32 parts").at("path");
    auto part = decode(encoded, Plus::literal);
    if (!part) return std::move(part).error().at("path");
    if (part->empty() || *part == "." || *part == "..") {
      return invalid("must not hold an empty part, '.' or '..'").at("path");
    }
    parts.push_back(*std::move(part));
  }
  return parts;
}

Result<Query> Query::decode(std::string_view query) {
  Query out;
  if (query.empty()) return out;
  for (const auto pair : split(query, '&')) {
    if (pair.empty()) continue;
    if (out.all_.size() == max_parameters) {
      return invalid("must have at most 64 parameters").at("query");
    }
    const auto equals = pair.find('=');
    const auto rest = equals == std::string_view::npos ? std::string_view{}
                                                       : pair.substr(equals + 1);
    auto name = http::decode(pair.substr(0, equals), Plus::space);
    if (!name) return std::move(name).error().at("query");
    auto value = http::decode(rest, Plus::space);
    if (!value) return std::move(value).error().at(*name);
    if (out.find(*name) != nullptr) return invalid("is given twice").at(*name);
    out.all_.emplace_back(*std::move(name), *std::move(value));
  }
  return out;
}

const std::string* Query::find(std::string_view name) const {
  for (const auto& [key, value] : all_) {
    if (key == name) return &value;
  }
  return nullptr;
}

void append_encoded(std::string& out, std::string_view text) {
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += "0123456789ABCDEF"[byte >> 4];
      out += "0123456789ABCDEF"[byte & 15];
    }
  }
}

}  // namespace bessemer::http
