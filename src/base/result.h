// How a function says no: a Result with one of eight codes, each a different reaction.
#pragma once
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace bessemer {

// One code per reaction of the caller; application/http maps each to one HTTP status.
enum class Code : std::uint8_t {
  invalid,          // the request is wrong: change it
  unauthenticated,  // say who you are
  forbidden,        // you may not
  not_found,        // no such thing, or none that you may know of
  conflict,         // the thing is not in the state you assume
  exhausted,        // a quota, budget, limit or disk is used up
  unavailable,      // try again later
  internal,         // our fault
};
std::string_view to_text(Code code);

// When the same request could succeed unchanged.
enum class Retry : std::uint8_t { never, later, now };

// Why something was refused, in the words of the person who must react.
struct Error {
  Code code = Code::internal;
  std::string what;    // what is wrong, naming the limit: "must be at most 64 characters"
  std::string field;   // path of the input field: "spec.resources.gpus[0]"; empty when none
  std::string remedy;  // what to do next; empty when `what` says it
  std::string reason;  // stable machine-readable word: "budget_exhausted"; empty = the code's
  Retry retry = Retry::never;
  std::int64_t retry_after_ns = 0;  // meaningful with Retry::later; 0 = the caller's choice

  Error&& at(std::string path) && { field = std::move(path); return std::move(*this); }
  Error&& fix(std::string advice) && { remedy = std::move(advice); return std::move(*this); }
  Error&& because(std::string word) && { reason = std::move(word); return std::move(*this); }
  Error&& retried(Retry when, std::int64_t after_ns = 0) && {
    retry = when;
    retry_after_ns = after_ns;
    return std::move(*this);
  }
  // Puts `outer` before the field's path: "spec" + "gpus[0]" -> "spec.gpus[0]".
  Error&& within(std::string_view outer) &&;
  // Says what the layer was doing: "reading config.yaml: ...".
  Error&& during(std::string_view doing) &&;
};

// One line for a person: "name: must not be empty; give it a name".
std::string to_text(const Error& error);

Error invalid(std::string what);
Error unauthenticated(std::string what);
Error forbidden(std::string what);
Error not_found(std::string what);
Error conflict(std::string what);
Error exhausted(std::string what);
Error unavailable(std::string what);
Error internal(std::string what);

// A value or an Error; cannot be ignored. An Error converts to any Result.
template <class T>
class [[nodiscard]] Result : public std::expected<T, Error> {
 public:
  using std::expected<T, Error>::expected;
  Result(Error&& error) : std::expected<T, Error>(std::unexpect, std::move(error)) {}
  Result(const Error& error) : std::expected<T, Error>(std::unexpect, error) {}
};

}  // namespace bessemer

#define BESSEMER_CAT2(a, b) a##b
#define BESSEMER_CAT(a, b) BESSEMER_CAT2(a, b)
// Returns the error of `expression` from the enclosing function.
#define TRY(expression)                                    \
  do {                                                     \
    if (auto tried_ = (expression); !tried_.has_value())   \
      return std::move(tried_).error();                    \
  } while (false)
// Declares `declaration` from the value of `expression`, or returns its error.
#define TRY_ASSIGN(declaration, expression)                                          \
  auto BESSEMER_CAT(tried_, __LINE__) = (expression);                                \
  if (!BESSEMER_CAT(tried_, __LINE__).has_value())                                   \
    return std::move(BESSEMER_CAT(tried_, __LINE__)).error();                        \
  declaration = *std::move(BESSEMER_CAT(tried_, __LINE__))
