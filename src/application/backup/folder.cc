// A backup as a folder: the files as they stood in the state directory, and their list.
#include <filesystem>
#include <set>
#include <vector>

#include "application/backup/archive.h"
#include "application/backup/contents.h"
#include "world/real/disk.h"

namespace bessemer::backup {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t piece_bytes = std::size_t{1} << 20;

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

class FolderSink final : public Sink {
 public:
  explicit FolderSink(std::unique_ptr<real::RealDisk> disk) : disk_(std::move(disk)) {}

  Result<void> begin(const std::string& path, std::uint64_t) override {
    TRY(close());
    const std::string folder = folder_of(path);
    if (folders_.insert(folder).second) TRY(disk_->make_directories(folder));
    TRY_ASSIGN(file_, disk_->open(path, world::OpenMode::create));
    at_ = 0;
    return {};
  }

  Result<void> add(std::string_view piece) override {
    TRY(file_->write_at(at_, piece));
    at_ += piece.size();
    return {};
  }

  Result<void> finish() override {
    TRY(close());
    std::set<std::string> all{""};
    for (std::string folder : folders_) {
      for (; !folder.empty(); folder = folder_of(folder)) all.insert(folder);
    }
    for (const std::string& folder : all) TRY(disk_->sync_directory(folder));
    return {};
  }

 private:
  Result<void> close() {
    if (file_ == nullptr) return {};
    TRY(file_->sync());
    file_.reset();
    return {};
  }

  std::unique_ptr<real::RealDisk> disk_;
  std::unique_ptr<world::File> file_;
  std::uint64_t at_ = 0;
  std::set<std::string> folders_;
};

// Goes by the list, so that a file which is not there is missed.
class FolderSource final : public Source {
 public:
  FolderSource(std::unique_ptr<real::RealDisk> disk, std::vector<Item> items)
      : disk_(std::move(disk)), items_(std::move(items)), piece_(piece_bytes, '\0') {}

  Result<bool> next(Item& into) override {
    if (at_ == items_.size()) return false;
    into = items_[at_++];
    auto opened = disk_->open(into.path, world::OpenMode::read);
    if (!opened && opened.error().code == Code::not_found) {
      return invalid("the backup is not whole: " + into.path + " is missing")
          .because("backup_damaged")
          .fix("use another backup");
    }
    TRY_ASSIGN(file_, std::move(opened));
    TRY_ASSIGN(into.bytes, file_->size());
    offset_ = 0;
    return true;
  }

  Result<std::string_view> take() override {
    TRY_ASSIGN(const std::size_t got, file_->read_at(offset_, piece_));
    offset_ += got;
    return std::string_view(piece_).substr(0, got);
  }

 private:
  std::unique_ptr<real::RealDisk> disk_;
  std::vector<Item> items_;
  std::size_t at_ = 0;
  std::unique_ptr<world::File> file_;
  std::uint64_t offset_ = 0;
  std::string piece_;
};

}  // namespace

Result<std::unique_ptr<Sink>> create_folder(const std::string& place) {
  std::error_code ignored;
  if (fs::exists(place, ignored) && !fs::is_empty(place, ignored)) {
    return conflict(place + " is there already and not empty").fix("name a new folder");
  }
  TRY_ASSIGN(auto disk, real::RealDisk::open_root(place));
  return std::unique_ptr<Sink>(std::make_unique<FolderSink>(std::move(disk)));
}

Result<std::unique_ptr<Source>> open_folder(const std::string& place) {
  TRY_ASSIGN(auto disk, real::RealDisk::open_root(place));
  auto text = world::read_file(*disk, contents_name, max_contents_bytes);
  if (!text && text.error().code == Code::not_found) {
    return invalid(place + " is no whole backup: it has no " + std::string(contents_name))
        .because("backup_damaged")
        .fix("name the folder of a backup that ended well");
  }
  if (!text) return std::move(text).error();
  TRY_ASSIGN(const Contents contents, parse_contents(*text));
  std::vector<Item> items;
  for (const auto& [path, listed] : contents.files) items.push_back({path, listed.bytes});
  items.push_back({std::string(contents_name), 0});
  return std::unique_ptr<Source>(
      std::make_unique<FolderSource>(std::move(disk), std::move(items)));
}

}  // namespace bessemer::backup
