// Requirements of gates: read by descent, kept in postfix order, judged by a stack.
#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "base/check.h"
#include "base/text.h"
#include "orchestration/pipeline/expression.h"

namespace bessemer::pipeline {

namespace {

constexpr std::size_t max_requirement = 512;  // bytes

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '@' || c == '%';
}
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Reads one side of a requirement, or the comparison between the two.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<void> sum(std::vector<Term>& out) {
    TRY(product(out));
    while (true) {
      Term::Kind kind{};
      if (take('+')) kind = Term::Kind::add;
      else if (take('-')) kind = Term::Kind::subtract;
      else return {};
      TRY(product(out));
      out.push_back(of_kind(kind));
    }
  }

  Result<Comparison> comparison() {
    skip();
    using enum Comparison;
    const std::pair<std::string_view, Comparison> all[] = {
        {">=", at_least}, {">", above}, {"<=", at_most}, {"<", below}, {"==", equal},
        {"!=", not_equal}};
    for (const auto& [sign, comparison] : all) {
      if (!text_.substr(at_).starts_with(sign)) continue;
      at_ += sign.size();
      return comparison;
    }
    return wrong("expected >=, >, <=, <, == or !=");
  }

  Result<void> end() {
    skip();
    if (at_ < text_.size()) return wrong("expected nothing more");
    return {};
  }

  std::size_t at() const { return at_; }

 private:
  static Term of_kind(Term::Kind kind) {
    Term term;
    term.kind = kind;
    return term;
  }

  Error wrong(std::string_view what) const {
    const std::string_view rest = text_.substr(at_);
    return invalid(fmt::format("{} at {} of \"{}\"", what,
                               rest.empty() ? "the end" : fmt::format("\"{}\"", rest.substr(0, 20)),
                               text_.substr(0, 120)));
  }

  void skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }
  bool take(char sign) {
    skip();
    if (at_ >= text_.size() || text_[at_] != sign) return false;
    ++at_;
    return true;
  }

  Result<void> product(std::vector<Term>& out) {
    TRY(factor(out));
    while (true) {
      Term::Kind kind{};
      if (take('*')) kind = Term::Kind::multiply;
      else if (take('/')) kind = Term::Kind::divide;
      else return {};
      TRY(factor(out));
      out.push_back(of_kind(kind));
    }
  }

  Result<void> factor(std::vector<Term>& out) {
    if (++depth_ > max_requirement_depth) return wrong("nested more than 32 deep");
    auto done = factor_within(out);
    --depth_;
    return done;
  }

  Result<void> factor_within(std::vector<Term>& out) {
    if (take('-')) {
      TRY(factor(out));
      out.push_back(of_kind(Term::Kind::negate));
      return {};
    }
    if (take('(')) {
      TRY(sum(out));
      if (!take(')')) return wrong("expected )");
      return {};
    }
    skip();
    if (at_ >= text_.size()) return wrong("expected a metric or a number");
    if (is_digit(text_[at_]) || text_[at_] == '.') return number(out);
    if (text_.substr(at_).starts_with("${")) return reference(out);
    return operand(out);
  }

  Result<void> number(std::vector<Term>& out) {
    Term term;
    const char* const begin = text_.data() + at_;
    const auto [stop, code] = std::from_chars(begin, text_.data() + text_.size(), term.number);
    if (code != std::errc{} || !std::isfinite(term.number)) return wrong("expected a number");
    at_ += static_cast<std::size_t>(stop - begin);
    if (at_ < text_.size() && is_letter(text_[at_])) return wrong("expected a sign");
    out.push_back(std::move(term));
    return {};
  }

  Result<void> reference(std::vector<Term>& out) {
    const std::size_t end = text_.find('}', at_);
    if (end == std::string_view::npos) return wrong("${ without }");
    TRY_ASSIGN(const auto found, references_in(text_.substr(at_, end + 1 - at_)));
    check(found.size() == 1, "requirement: one ${...} is one reference");
    const Reference& only = found.front();
    Term term = of_kind(Term::Kind::operand);
    term.name = only.name;
    switch (only.scope) {
      case Scope::params: term.of = "params"; break;
      case Scope::matrix: term.of = "matrix"; break;
      case Scope::metrics: term.of = only.step; break;
      case Scope::outputs: return wrong("an output is no number");
    }
    at_ = end + 1;
    out.push_back(std::move(term));
    return {};
  }

  Result<void> operand(std::vector<Term>& out) {
    Term term = of_kind(Term::Kind::operand);
    TRY_ASSIGN(term.name, name());
    if (at_ < text_.size() && text_[at_] == '.') {
      ++at_;
      term.of = std::move(term.name);
      TRY_ASSIGN(term.name, name());
    }
    out.push_back(std::move(term));
    return {};
  }

  Result<std::string> name() {
    if (at_ >= text_.size()) return wrong("expected a name");
    if (text_[at_] == '`') {
      const std::size_t end = text_.find('`', at_ + 1);
      if (end == std::string_view::npos) return wrong("` without `");
      const std::string_view quoted = text_.substr(at_ + 1, end - at_ - 1);
      if (quoted.empty() || quoted.size() > limits::name) return wrong("expected a name");
      at_ = end + 1;
      return std::string(quoted);
    }
    std::size_t end = at_;
    while (end < text_.size() && (is_letter(text_[end]) || (end > at_ && is_digit(text_[end])))) {
      ++end;
    }
    if (end == at_ || end - at_ > limits::name) return wrong("expected a metric or a number");
    std::string found(text_.substr(at_, end - at_));
    at_ = end;
    return found;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
};

// The value of one side; nothing when it needs a champion and there is none.
Result<std::optional<double>> value_of(const std::vector<Term>& terms, const Operands& operands) {
  std::vector<double> stack;
  const auto pop = [&] {
    check(!stack.empty(), "requirement: postfix order is broken");
    const double top = stack.back();
    stack.pop_back();
    return top;
  };
  for (const Term& term : terms) {
    using enum Term::Kind;
    if (term.kind == number) {
      stack.push_back(term.number);
    } else if (term.kind == operand) {
      TRY_ASSIGN(const std::optional<double> value, operands.value(term.of, term.name));
      if (!value) return std::optional<double>{};
      stack.push_back(*value);
    } else if (term.kind == negate) {
      stack.push_back(-pop());
    } else {
      const double right = pop(), left = pop();
      if (term.kind == add) stack.push_back(left + right);
      else if (term.kind == subtract) stack.push_back(left - right);
      else if (term.kind == multiply) stack.push_back(left * right);
      else stack.push_back(left / right);
    }
  }
  return std::optional<double>(pop());
}

bool holds(Comparison comparison, double left, double right) {
  switch (comparison) {
    case Comparison::at_least: return left >= right;
    case Comparison::above: return left > right;
    case Comparison::at_most: return left <= right;
    case Comparison::below: return left < right;
    case Comparison::equal: return left == right;
    case Comparison::not_equal: return left != right;
  }
  return false;
}

// "0.9", or "champion.loss * 1.05 = 2.1" when the text is not the number itself.
std::string side(const std::string& text, const std::vector<Term>& terms, double value) {
  if (terms.size() == 1 && terms.front().kind == Term::Kind::number) return text;
  return fmt::format("{} = {:.6g}", text, value);
}

std::string sentence(const Requirement& requirement, const Verdict& verdict) {
  const std::string right = side(requirement.right_text, requirement.right, verdict.right);
  const std::string left = fmt::format("{} is {:.6g}", requirement.left_text, verdict.left);
  if (verdict.passed) {
    return fmt::format("{} {} {}", left, to_text(requirement.comparison), right);
  }
  const double gap = std::fabs(verdict.left - verdict.right);
  using enum Comparison;
  switch (requirement.comparison) {
    case not_equal: return fmt::format("{}, which it must not be ({})", left, right);
    case equal: return fmt::format("{}, not {}: off by {:.6g}", left, right, gap);
    case above:
      if (gap == 0) return fmt::format("{}, not above {}", left, right);
      [[fallthrough]];
    case at_least: return fmt::format("{}, below {} by {:.6g}", left, right, gap);
    case below:
      if (gap == 0) return fmt::format("{}, not below {}", left, right);
      [[fallthrough]];
    case at_most: return fmt::format("{}, above {} by {:.6g}", left, right, gap);
  }
  return left;
}

}  // namespace

std::string_view to_text(Comparison comparison) {
  switch (comparison) {
    case Comparison::at_least: return ">=";
    case Comparison::above: return ">";
    case Comparison::at_most: return "<=";
    case Comparison::below: return "<";
    case Comparison::equal: return "==";
    case Comparison::not_equal: return "!=";
  }
  return "";
}

Result<Requirement> parse_requirement(std::string_view text) {
  if (text.size() > max_requirement) return invalid("must be at most 512 bytes");
  if (!is_utf8(text)) return invalid("must be UTF-8");
  Requirement requirement;
  Parser parser(text);
  TRY(parser.sum(requirement.left));
  const std::size_t left_end = parser.at();
  TRY_ASSIGN(requirement.comparison, parser.comparison());
  const std::size_t right_begin = parser.at();
  TRY(parser.sum(requirement.right));
  TRY(parser.end());
  requirement.left_text = std::string(trim(text.substr(0, left_end)));
  requirement.right_text = std::string(trim(text.substr(right_begin)));
  return requirement;
}

Result<Verdict> judge_requirement(const Requirement& requirement, const Operands& operands) {
  Verdict verdict;
  TRY_ASSIGN(const auto left, value_of(requirement.left, operands));
  TRY_ASSIGN(const auto right, value_of(requirement.right, operands));
  if (!left || !right) {
    verdict.without_champion = true;
    verdict.says = fmt::format("{} {} {}: there is no champion to compare with",
                               requirement.left_text, to_text(requirement.comparison),
                               requirement.right_text);
    return verdict;
  }
  verdict.left = *left;
  verdict.right = *right;
  for (const auto& [text, value] : {std::pair(requirement.left_text, verdict.left),
                                    std::pair(requirement.right_text, verdict.right)}) {
    if (!std::isfinite(value)) return invalid(text + " is not a finite number");
  }
  verdict.passed = holds(requirement.comparison, verdict.left, verdict.right);
  verdict.says = sentence(requirement, verdict);
  return verdict;
}

}  // namespace bessemer::pipeline
