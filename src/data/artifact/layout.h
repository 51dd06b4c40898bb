// Where a DirectoryStore keeps what: paths relative to its root.
#pragma once
#include <cstdint>
#include <string>

#include "base/digest.h"
#include "base/id.h"
#include "data/artifact/store.h"

namespace bessemer::artifact::layout {

inline std::string tenant(OrgId tenant) { return to_text(tenant); }
inline std::string blobs(OrgId of) { return tenant(of) + "/blobs"; }
inline std::string shelf(OrgId of, const Digest& blob) {
  return blobs(of) + "/" + to_text(blob).substr(0, 2);
}
inline std::string blob(OrgId of, const Digest& blob) {
  return shelf(of, blob) + "/" + to_text(blob).substr(2);
}
inline std::string trees(OrgId of) { return tenant(of) + "/trees"; }
inline std::string tree(OrgId of, const Digest& tree) { return trees(of) + "/" + to_text(tree); }
inline std::string laid(OrgId of) { return tenant(of) + "/laid"; }
inline std::string laid(OrgId of, const Digest& tree) { return laid(of) + "/" + to_text(tree); }
inline std::string fresh(OrgId of) { return tenant(of) + "/new"; }
inline std::string uploads(OrgId of) { return tenant(of) + "/uploads"; }
inline std::string upload(OrgId of, UploadId id) { return uploads(of) + "/" + to_text(id); }

// What is being made in laid/ begins with this; a digest never does.
constexpr std::string_view making = "new-";

constexpr unsigned file_mode = 0444, program_mode = 0555, folder_mode = 0555;
constexpr unsigned writable_folder_mode = 0700;
constexpr std::size_t piece = std::size_t{1} << 20;  // bytes read or written at once

}  // namespace bessemer::artifact::layout
