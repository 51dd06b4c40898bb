// A file descriptor that closes itself, and errno as an Error.
#pragma once
#include <string_view>
#include <utility>

#include "base/result.h"

namespace bessemer::real {

// Owns one descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() { reset(); }
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      reset();
      number_ = std::exchange(other.number_, -1);
    }
    return *this;
  }
  int get() const { return number_; }
  explicit operator bool() const { return number_ >= 0; }
  void reset();

 private:
  int number_ = -1;
};

// The failed call as an Error: "opening /x/y: Permission denied". ENOSPC and EDQUOT are exhausted,
// ENOENT and ENOTDIR not_found, EEXIST conflict, EACCES, EPERM and EROFS forbidden, ELOOP invalid;
// every other errno is internal.
Error error_of(int error_number, std::string_view doing, std::string_view path);

}  // namespace bessemer::real
