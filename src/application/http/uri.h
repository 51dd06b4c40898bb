// Paths and queries: decoding and encoding.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace bessemer::http {

constexpr std::size_t max_segments = 32;
constexpr std::size_t max_parameters = 64;

// "/a/b%20c" -> {"a", "b c"}; "/" -> {}. Each part is decoded by itself, so an encoded '/' stays
// inside its part. Errors: invalid (bad encoding, not UTF-8, NUL, an empty, "." or ".." part).
Result<std::vector<std::string>> decode_path(std::string_view path);

// The parameters of a query, in order. A name may come once only.
class Query {
 public:
  // Errors: invalid (bad encoding, not UTF-8, a repeated name, too many).
  static Result<Query> decode(std::string_view query);
  // Nothing when absent.
  const std::string* find(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& all() const { return all_; }

 private:
  std::vector<std::pair<std::string, std::string>> all_;
};

// Appends `text` so that it is one path part or one query value.
void append_encoded(std::string& out, std::string_view text);

}  // namespace bessemer::http
