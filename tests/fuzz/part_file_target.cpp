// SPDX-License-Identifier: MIT
//
// A download into a folder in which anything lies: a .part with any footer, files, links and
// folders under its names. What gets the name is right to the byte, and nothing else is touched.
#include "node/uv/part_file.h"

#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include "fuzz/targets.h"
#include "mrt/base/check.h"
#include "node/file_name.h"
#include "node/merkle.h"
#include "node/uv/part_footer.h"

namespace fuzz {

namespace fs = std::filesystem;
using mrt::Bytes;
using mrt::ByteView;

namespace {

constexpr node::FileToken token{7};
const std::string wanted_name = "file.bin";

class Folder {
 public:
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "thuban-fuzz-XXXXXX").string();
    CHECK(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  fs::path operator/(const std::string& name) const { return path_ / name; }
  std::string path() const { return path_.string(); }

 private:
  fs::path path_;
};

void write_file(const fs::path& path, ByteView bytes) {
  std::ofstream out(path, std::ios::binary);
  out << mrt::as_text(bytes);
  CHECK(out.good());
}

Bytes read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  Bytes out(fs::file_size(path));
  in.read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(out.size()));
  CHECK(in.good());
  return out;
}

/// What somebody else had there before; it is what it was at the end.
const Bytes others = {'m', 'i', 'n', 'e'};

Bytes content_of(size_t size) {
  Bytes out(size);
  for (size_t i = 0; i < size; ++i) out[i] = static_cast<uint8_t>(i * 31 + (i >> 8));
  return out;
}

node::FileHash hash_of(ByteView bytes) {
  node::HashTreeBuilder builder(bytes.size());
  for (uint64_t i = 0; i < node::chunk_count(bytes.size()); ++i)
    builder.add(node::hash_of_chunk(
        bytes.size(), bytes.subspan(i * node::chunk_bytes_max, node::chunk_size(bytes.size(), i))));
  return builder.finish().root();
}

/// One download of one file, step by step.
class Download {
 public:
  Download(const Folder& folder, Bytes content)
      : folder_(folder),
        content_(std::make_shared<const Bytes>(std::move(content))),
        hash_(hash_of(*content_)),
        file_(folder.path()) {}

  std::string part() const { return node::part_name(wanted_name, hash_); }

  /// What an earlier program may have left: some of the bytes, then any footer.
  void leave_part(mrt::Reader& in) {
    const uint8_t how = in.u8();
    Bytes bytes = how % 2 == 0 ? *content_ : Bytes(content_->size(), 0x55);
    mrt::IntervalSet have;
    have.add(0, 1 + how % 4);
    const Bytes footer = node::uv::encode_footer(content_->size(), hash_, have);
    bytes.insert(bytes.end(), footer.begin(), footer.end());
    const ByteView changes = in.rest();
    for (size_t i = 0; i + 1 < changes.size(); i += 2) {
      const size_t at = content_->size() + changes[i] % footer.size();
      bytes[at] = static_cast<uint8_t>(bytes[at] ^ changes[i + 1]);
    }
    write_file(folder_ / part(), bytes);
  }

  void run(ByteView steps) {
    request(node::OpenTarget{token, wanted_name, content_->size(), hash_});
    for (const uint8_t step : steps) {
      if (ended_) return;
      if (step < 0xe0) {
        write(step % std::max<uint64_t>(1, node::chunk_count(content_->size())));
      } else if (step < 0xf0) {
        finish();
      } else {
        return request(node::CloseFile{token, step % 2 == 0});
      }
    }
    // Whatever happened so far, a download that goes on ends with the file.
    for (int tries = 0; tries < 2 && !ended_; ++tries) {
      for (uint64_t i = 0; i < node::chunk_count(content_->size()); ++i)
        if (!have_.contains(i)) write(i);
      finish();
    }
    CHECK(ended_);
  }

 private:
  void write(uint64_t chunk) {
    if (chunk >= node::chunk_count(content_->size())) return;
    request(node::WriteChunk{token, chunk, content_, chunk * node::chunk_bytes_max,
                             node::chunk_size(content_->size(), chunk)});
  }
  /// REQUIRES of FinishTarget: all chunks are written.
  void finish() {
    if (have_.size() == node::chunk_count(content_->size())) request(node::FinishTarget{token});
  }

  void request(const node::FileRequest& what) {
    std::vector<node::FileResult> results;
    file_.carry_out(what, results);
    while (file_.is_busy()) file_.go_on(results);
    for (const node::FileResult& result : results) on_result(result);
  }

  void on_result(const node::FileResult& result) {
    if (const auto* opened = std::get_if<node::TargetOpened>(&result)) {
      have_ = opened->have;
      CHECK(have_.empty() || have_.back().end <= node::chunk_count(content_->size()));
    } else if (const auto* written = std::get_if<node::ChunkWritten>(&result)) {
      have_.add(written->chunk, written->chunk + 1);
    } else if (const auto* placed = std::get_if<node::TargetPlaced>(&result)) {
      ended_ = true;
      CHECK(fs::path(placed->path).parent_path() == fs::canonical(folder_.path()));
      CHECK(fs::is_regular_file(fs::symlink_status(placed->path)));
      CHECK(read_file(placed->path) == *content_);
    } else if (std::holds_alternative<node::FileFailed>(result)) {
      ended_ = true;
    }
  }

  const Folder& folder_;
  mrt::SharedBytes content_;
  node::FileHash hash_;
  node::uv::PartFile file_;
  mrt::IntervalSet have_;
  bool ended_ = false;
};

/// Puts something of somebody else in the way, at `path`; `victim` is where links lead.
void put_in_the_way(uint8_t what, const fs::path& path, const fs::path& victim) {
  if (what % 6 == 1) write_file(path, others);
  if (what % 6 == 2) fs::create_symlink(victim, path);
  if (what % 6 == 3) fs::create_hard_link(victim, path);
  if (what % 6 == 4) fs::create_directory(path);
  if (what % 6 == 5) fs::create_symlink(path.parent_path() / "nowhere", path);
}

}  // namespace

void part_file(ByteView input) {
  mrt::Reader in(input);
  const size_t size =
      (size_t{in.u8()} * node::chunk_bytes_max) % (3 * node::chunk_bytes_max) + in.u16() % 1'000;
  const uint8_t under_name = in.u8();
  const uint8_t under_part = in.u8();
  const ByteView steps = in.sized_bytes(16);

  const Folder folder, elsewhere;
  const fs::path victim = elsewhere / "victim";
  write_file(victim, others);
  Download download(folder, content_of(size));
  put_in_the_way(under_name, folder / wanted_name, victim);
  const bool part_is_taken = under_part % 6 > 1;
  if (part_is_taken) put_in_the_way(under_part, folder / download.part(), victim);
  if (under_part % 6 == 1) download.leave_part(in);
  download.run(steps);

  CHECK(read_file(victim) == others);
  CHECK(std::distance(fs::directory_iterator(elsewhere.path()), {}) == 1);
  CHECK(!fs::exists(folder / "nowhere"));
  if (under_name % 6 == 1) CHECK(read_file(folder / wanted_name) == others);
}

}  // namespace fuzz
