// The one place where an Error becomes an HTTP answer.
#include "application/http/problem.h"

#include "application/http/write.h"
#include "base/check.h"
#include "base/json.h"

namespace bessemer::http {
namespace {

// Refusals for want of money or quota: clients must not retry them by themselves.
bool is_about_money(const Error& error) {
  return error.code == Code::exhausted && error.retry == Retry::never;
}

std::string_view openai_type(const Error& error) {
  switch (error.code) {
    case Code::invalid:
    case Code::not_found:
    case Code::conflict: return "invalid_request_error";
    case Code::unauthenticated: return "authentication_error";
    case Code::forbidden: return "permission_error";
    case Code::exhausted: return is_about_money(error) ? "insufficient_quota" : "rate_limit_error";
    case Code::unavailable:
    case Code::internal: return "server_error";
  }
  return "server_error";
}

std::string_view openai_code(const Error& error) {
  if (is_about_money(error)) return "insufficient_quota";
  if (!error.reason.empty()) return error.reason;
  switch (error.code) {
    case Code::unauthenticated: return "invalid_api_key";
    case Code::exhausted: return "rate_limit_exceeded";
    default: return to_text(error.code);
  }
}

// What a person outside may read.
std::string public_text(const Error& error, std::string_view request) {
  if (error.code != Code::internal) {
    return error.remedy.empty() ? error.what : error.what + "; " + error.remedy;
  }
  std::string out = "something went wrong on our side";
  if (!request.empty()) out += "; please report request " + std::string(request);
  return out;
}

class Object {
 public:
  void member(std::string_view key, std::string_view value) {
    out_ += out_.empty() ? '{' : ',';
    json::quote(out_, key);
    out_ += ':';
    json::quote(out_, value);
  }
  void number(std::string_view key, int value) {
    out_ += out_.empty() ? '{' : ',';
    json::quote(out_, key);
    out_ += ':';
    out_ += std::to_string(value);
  }
  void some(std::string_view key, std::string_view value) {
    if (!value.empty()) member(key, value);
  }
  std::string finish() { return out_ + "}"; }

 private:
  std::string out_;
};

std::string problem_body(const Error& error, int status, std::string_view request) {
  const bool open = error.code != Code::internal;
  Object object;
  const std::string_view word =
      open && !error.reason.empty() ? std::string_view(error.reason) : to_text(error.code);
  object.member("type", "urn:bessemer:problem:" + std::string(word));
  object.member("title", reason_of(status));
  object.number("status", status);
  object.member("code", to_text(error.code));
  object.member("detail", open ? error.what : public_text(error, request));
  if (open) {
    object.some("field", error.field);
    object.some("remedy", error.remedy);
    object.some("reason", error.reason);
  }
  object.some("request", request);
  return object.finish();
}

std::string openai_body(const Error& error, std::string_view request) {
  Object object;
  object.member("message", public_text(error, request));
  object.member("type", openai_type(error));
  std::string out = "{\"error\":" + object.finish();
  out.pop_back();
  out += ",\"param\":";
  if (error.field.empty() || error.code == Code::internal) out += "null";
  else json::quote(out, error.field);
  out += ",\"code\":";
  json::quote(out, openai_code(error));
  return out + "}}";
}

std::string retry_fields(const Error& error, int status) {
  std::string out;
  if (status == 401) append_field(out, "www-authenticate", "Bearer");
  if (error.retry == Retry::later) {
    const auto whole = (error.retry_after_ns + 999'999'999) / 1'000'000'000;
    append_field(out, "retry-after", static_cast<std::uint64_t>(whole > 0 ? whole : 1));
  }
  if (status == 409 || status == 429 || status >= 500) {
    append_field(out, "x-should-retry", error.retry == Retry::never ? "false" : "true");
  }
  return out;
}

}  // namespace

int status_of(Code code) {
  switch (code) {
    case Code::invalid: return 400;
    case Code::unauthenticated: return 401;
    case Code::forbidden: return 403;
    case Code::not_found: return 404;
    case Code::conflict: return 409;
    case Code::exhausted: return 429;
    case Code::unavailable: return 503;
    case Code::internal: return 500;
  }
  return 500;
}

Code code_of(int status) {
  check(status >= 300, "http: not a refusal");
  switch (status) {
    case 401: return Code::unauthenticated;
    case 403: return Code::forbidden;
    case 404:
    case 410: return Code::not_found;
    case 409: return Code::conflict;
    case 429: return Code::exhausted;
    case 408:
    case 502:
    case 503:
    case 504: return Code::unavailable;
    default: return status >= 500 ? Code::internal : Code::invalid;
  }
}

Refusal refuse(const Error& error, Envelope envelope, std::string_view request, int status) {
  Refusal out;
  out.status = status != 0 ? status : status_of(error.code);
  out.content_type =
      envelope == Envelope::problem ? "application/problem+json" : "application/json";
  out.fields = retry_fields(error, out.status);
  switch (envelope) {
    case Envelope::problem: out.body = problem_body(error, out.status, request); break;
    case Envelope::openai: out.body = openai_body(error, request); break;
    case Envelope::inference: {
      Object object;
      object.member("error", public_text(error, request));
      out.body = object.finish();
    }
  }
  return out;
}

}  // namespace bessemer::http
