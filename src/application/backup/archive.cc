// Which form a backup has is told by its name and by what is there.
#include "application/backup/archive.h"

#include <filesystem>

namespace bessemer::backup {

Result<std::unique_ptr<Sink>> create(const std::string& place) {
  if (place.ends_with(tar_ending)) return create_tar(place);
  return create_folder(place);
}

Result<std::unique_ptr<Source>> open(const std::string& place) {
  std::error_code ignored;
  const auto status = std::filesystem::status(place, ignored);
  if (std::filesystem::is_directory(status)) return open_folder(place);
  if (std::filesystem::is_regular_file(status)) return open_tar(place);
  return not_found("there is no backup at " + place);
}

}  // namespace bessemer::backup
