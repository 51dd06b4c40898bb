// A backup as one tar file: ustar, with a pax header where a path or size does not fit.
// Format: POSIX.1-2017, pax "Interchange Format".
#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>

#include "application/backup/archive.h"
#include "base/text.h"
#include "world/real/disk.h"

namespace bessemer::backup {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t block = 512;
constexpr std::size_t piece_bytes = std::size_t{1} << 20;
constexpr std::size_t max_pax = 64 << 10;
constexpr std::uint64_t max_octal = (std::uint64_t{1} << 33) - 1;  // eleven octal digits
constexpr std::size_t name_at = 0, name_size = 100, mode_at = 100, owner_at = 108, group_at = 116,
                      size_at = 124, time_at = 136, sum_at = 148, type_at = 156, magic_at = 257,
                      prefix_at = 345, prefix_size = 155;

using Block = std::array<char, block>;

void put_octal(Block& into, std::size_t at, std::size_t digits, std::uint64_t value) {
  for (std::size_t i = digits; i-- > 0; value >>= 3) {
    into[at + i] = static_cast<char>('0' + (value & 7));
  }
}

std::uint64_t sum_of(const Block& header) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < block; ++i) {
    const bool own = i >= sum_at && i < sum_at + 8;
    sum += static_cast<unsigned char>(own ? ' ' : header[i]);
  }
  return sum;
}

Block header_of(std::string_view name, std::string_view prefix, std::uint64_t bytes, char type) {
  Block header{};
  std::ranges::copy(name, header.begin() + name_at);
  put_octal(header, mode_at, 7, 0600);
  put_octal(header, owner_at, 7, 0);
  put_octal(header, group_at, 7, 0);
  put_octal(header, size_at, 11, bytes);
  put_octal(header, time_at, 11, 0);
  header[type_at] = type;
  std::memcpy(header.data() + magic_at, "ustar\00000", 8);
  std::ranges::copy(prefix, header.begin() + prefix_at);
  put_octal(header, sum_at, 6, sum_of(header));
  header[sum_at + 7] = ' ';
  return header;
}

// Where a path is divided into prefix and name; npos: it does not fit.
std::size_t division(std::string_view path) {
  if (path.size() <= name_size) return 0;
  for (std::size_t slash = path.find('/'); slash != std::string_view::npos;
       slash = path.find('/', slash + 1)) {
    if (slash <= prefix_size && path.size() - slash - 1 <= name_size) return slash;
  }
  return std::string_view::npos;
}

// "27 path=some/where\n": the number counts the whole record, itself included.
std::string pax_record(std::string_view key, std::string_view value) {
  const std::size_t rest = key.size() + value.size() + 3;
  std::size_t total = rest + 1;
  while (std::to_string(total).size() + rest != total) ++total;
  return std::to_string(total) + " " + std::string(key) + "=" + std::string(value) + "\n";
}

std::uint64_t padding_of(std::uint64_t bytes) { return (block - bytes % block) % block; }

Error cut_off(const std::string& place) {
  return invalid("the backup " + place + " is cut off")
      .because("backup_damaged")
      .fix("use another backup");
}

Error no_tar(const std::string& place) {
  return invalid(place + " is no backup, or a damaged one")
      .because("backup_damaged")
      .fix("use another backup");
}

class TarSink final : public Sink {
 public:
  TarSink(std::unique_ptr<real::RealDisk> disk, std::string name, std::unique_ptr<world::File> file)
      : disk_(std::move(disk)), name_(std::move(name)), file_(std::move(file)) {}

  Result<void> begin(const std::string& path, std::uint64_t bytes) override {
    TRY(pad());
    const std::size_t divided = division(path);
    if (divided == std::string_view::npos || bytes > max_octal) {
      const std::string records =
          pax_record("path", path) + pax_record("size", std::to_string(bytes));
      TRY(write(header_of("pax", "", records.size(), 'x')));
      TRY(write(records));
      TRY(write(std::string(padding_of(records.size()), '\0')));
      TRY(write(header_of(path.substr(0, name_size), "", bytes > max_octal ? 0 : bytes, '0')));
    } else {
      const std::string_view name = std::string_view(path).substr(divided == 0 ? 0 : divided + 1);
      TRY(write(header_of(name, std::string_view(path).substr(0, divided), bytes, '0')));
    }
    size_ = bytes;
    return {};
  }

  Result<void> add(std::string_view piece) override { return write(piece); }

  Result<void> finish() override {
    TRY(pad());
    TRY(write(std::string(2 * block, '\0')));
    TRY(file_->sync());
    TRY(disk_->rename(name_ + ".new", name_));
    return disk_->sync_directory("");
  }

 private:
  Result<void> write(std::string_view bytes) {
    TRY(file_->write_at(at_, bytes));
    at_ += bytes.size();
    return {};
  }
  Result<void> write(const Block& header) { return write({header.data(), header.size()}); }
  Result<void> pad() {
    TRY(write(std::string(padding_of(size_), '\0')));
    size_ = 0;
    return {};
  }

  std::unique_ptr<real::RealDisk> disk_;
  std::string name_;
  std::unique_ptr<world::File> file_;
  std::uint64_t at_ = 0;
  std::uint64_t size_ = 0;  // of the file that was begun
};

class TarSource final : public Source {
 public:
  TarSource(std::string place, std::unique_ptr<world::File> file)
      : place_(std::move(place)), file_(std::move(file)), piece_(piece_bytes, '\0') {}

  Result<bool> next(Item& into) override {
    at_ += left_ + padding_of(size_);
    std::string pax;
    while (true) {
      Block header{};
      TRY(fill(header));
      if (std::ranges::all_of(header, [](char c) { return c == '\0'; })) return false;
      TRY_ASSIGN(const std::uint64_t sum, octal(header, sum_at, 6));
      if (sum != sum_of(header)) return no_tar(place_);
      TRY_ASSIGN(size_, octal(header, size_at, 11));
      if (header[type_at] == 'x') {
        if (size_ > max_pax) return no_tar(place_);
        pax.resize(static_cast<std::size_t>(size_));
        TRY(fill(pax));
        at_ += padding_of(size_);
        continue;
      }
      if (header[type_at] != '0') return no_tar(place_);
      into.path = path_of(header);
      TRY(take_pax(pax, into.path));
      into.bytes = left_ = size_;
      return true;
    }
  }

  Result<std::string_view> take() override {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(left_, piece_bytes));
    TRY(fill(std::span(piece_).first(wanted)));
    left_ -= wanted;
    return std::string_view(piece_).substr(0, wanted);
  }

 private:
  Result<void> fill(std::span<char> into) {
    TRY_ASSIGN(const std::size_t got, file_->read_at(at_, into));
    if (got != into.size()) return cut_off(place_);
    at_ += got;
    return {};
  }

  Result<std::uint64_t> octal(const Block& header, std::size_t at, std::size_t digits) const {
    std::uint64_t value = 0;
    for (std::size_t i = at; i < at + digits; ++i) {
      if (header[i] < '0' || header[i] > '7') return no_tar(place_);
      value = value * 8 + static_cast<std::uint64_t>(header[i] - '0');
    }
    return value;
  }

  static std::string path_of(const Block& header) {
    const auto text = [&](std::size_t at, std::size_t size) {
      const std::string_view all(header.data() + at, size);
      return std::string(all.substr(0, all.find('\0')));
    };
    const std::string prefix = text(prefix_at, prefix_size);
    const std::string name = text(name_at, name_size);
    return prefix.empty() ? name : prefix + "/" + name;
  }

  Result<void> take_pax(std::string_view records, std::string& path) {
    while (!records.empty()) {
      const std::size_t space = records.find(' ');
      const auto length = parse_unsigned(records.substr(0, space));
      if (space == std::string_view::npos || !length || *length > records.size() ||
          *length <= space + 1) {
        return no_tar(place_);
      }
      const std::string_view record = records.substr(space + 1, *length - space - 2);
      records.remove_prefix(*length);
      if (record.starts_with("path=")) path = record.substr(5);
      if (record.starts_with("size=")) {
        const auto bytes = parse_unsigned(record.substr(5));
        if (!bytes) return no_tar(place_);
        size_ = *bytes;
      }
    }
    return {};
  }

  std::string place_;
  std::unique_ptr<world::File> file_;
  std::string piece_;
  std::uint64_t at_ = 0, left_ = 0, size_ = 0;
};

struct Named {
  std::unique_ptr<real::RealDisk> disk;
  std::string name;
};

Result<Named> folder_of(const std::string& place) {
  const fs::path path(place);
  const std::string folder = path.has_parent_path() ? path.parent_path().string() : ".";
  TRY_ASSIGN(auto disk, real::RealDisk::open_root(folder));
  return Named{std::move(disk), path.filename().string()};
}

}  // namespace

Result<std::unique_ptr<Sink>> create_tar(const std::string& place) {
  TRY_ASSIGN(Named to, folder_of(place));
  if (to.disk->exists(to.name)) {
    return conflict(place + " is there already").fix("name another file, or remove it");
  }
  const std::string fresh = to.name + ".new";
  if (to.disk->exists(fresh)) TRY(to.disk->remove(fresh));
  TRY_ASSIGN(auto file, to.disk->open(fresh, world::OpenMode::create));
  return std::unique_ptr<Sink>(
      std::make_unique<TarSink>(std::move(to.disk), to.name, std::move(file)));
}

Result<std::unique_ptr<Source>> open_tar(const std::string& place) {
  TRY_ASSIGN(const Named from, folder_of(place));
  TRY_ASSIGN(auto file, from.disk->open(from.name, world::OpenMode::read));
  return std::unique_ptr<Source>(std::make_unique<TarSource>(place, std::move(file)));
}

}  // namespace bessemer::backup
