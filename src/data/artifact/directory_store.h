// The artifact store on a directory.
//
//   <tenant>/uploads/<upload id>/{about,bytes}   an upload under way
//   <tenant>/blobs/<2 hex>/<62 hex>              content; mode 0444
//   <tenant>/trees/<64 hex>                      a manifest's canonical text
//   <tenant>/laid/<64 hex>/...                   a tree laid out for tasks, by hard links
//   <tenant>/new/..., <tenant>/laid/new-...      being made; removed at open
#pragma once
#include <map>
#include <memory>

#include "data/artifact/store.h"
#include "world/tree.h"

namespace bessemer::artifact {

class DirectoryStore final : public Store {
 public:
  // `disk` and `tree` are two views of the same directory and outlive the store. Half-made things
  // that a crash left are removed. Errors: those of the disk.
  static Result<std::unique_ptr<DirectoryStore>> open(world::Disk& disk, world::Tree& tree);
  ~DirectoryStore() override;

  Result<void> begin(const Upload& upload) override;
  Result<std::uint64_t> arrived(OrgId tenant, UploadId upload) override;
  Result<std::uint64_t> append(OrgId tenant, UploadId upload, std::uint64_t offset,
                               std::string_view piece) override;
  Result<Blob> commit(OrgId tenant, UploadId upload, const Digest& expected) override;
  Result<void> abandon(OrgId tenant, UploadId upload) override;
  std::vector<Upload> uploads() const override;
  Result<void> settle(OrgId tenant, OrgId project, const std::set<Digest>& blobs) override;
  Result<Blob> put(OrgId tenant, std::string_view bytes) override;
  Result<Blob> put(OrgId tenant, const world::File& file, std::uint64_t limit) override;

  bool has_blob(OrgId tenant, const Digest& blob) const override;
  Result<std::uint64_t> blob_bytes(OrgId tenant, const Digest& blob) const override;
  Result<std::size_t> read(OrgId tenant, const Digest& blob, std::uint64_t offset,
                           std::span<char> into) const override;
  Result<void> verify(OrgId tenant, const Digest& blob) override;

  Result<std::vector<Digest>> missing(OrgId tenant, const Manifest& manifest) const override;
  Result<Digest> publish(OrgId tenant, const Manifest& manifest) override;
  bool has_tree(OrgId tenant, const Digest& tree) const override;
  Result<Manifest> tree(OrgId tenant, const Digest& tree) const override;
  Result<std::string> lay_out(OrgId tenant, const Digest& tree) override;

  Result<Collected> collect(OrgId tenant, const std::set<Digest>& roots, Instant before) override;
  Result<std::vector<OrgId>> tenants() const override;

 private:
  struct Open;      // an upload this process has touched: its file and running digest
  struct Doubtful;  // what the former collection of a tenant found unreachable
  DirectoryStore(world::Disk& disk, world::Tree& tree);

  // Uploads and blobs: directory_store.cc.
  Result<void> remove_leftovers();
  Result<void> find_uploads(OrgId tenant);
  Result<void> forget_upload(OrgId tenant, UploadId upload);
  Result<Open*> find_upload(OrgId tenant, UploadId upload);
  Result<void> ensure_directory(const std::string& path);
  Result<std::string> new_name(OrgId tenant);
  Result<void> name_blob(OrgId tenant, const std::string& made, const Digest& digest);
  void trust(OrgId tenant, const Digest& digest);

  // Trees: directory_trees.cc.
  Result<void> lay_entry(OrgId tenant, const std::string& folder, const Entry& entry);
  Result<void> seal(const std::string& folder);
  Result<void> copy_out(const std::string& blob, const std::string& to, unsigned mode);

  // Garbage: directory_garbage.cc.
  Result<void> remove_all(const std::string& path);
  Result<void> discard_laid(OrgId tenant, const std::string& name);
  Result<void> collect_trees(OrgId tenant, const std::set<Digest>& roots, Collected& done);
  Result<void> collect_blobs(OrgId tenant, const std::set<Digest>& roots, Collected& done);
  Result<void> collect_uploads(OrgId tenant, Instant before, Collected& done);

  world::Disk& disk_;
  world::Tree& tree_;
  std::map<UploadId, Upload> uploads_;  // each that is kept
  std::map<UploadId, Open> open_;
  std::map<OrgId, Doubtful> doubtful_;
  std::uint64_t drawn_ = 0;  // names of what is being made
};

}  // namespace bessemer::artifact
