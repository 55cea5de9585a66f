// SPDX-License-Identifier: MIT
#include "node/sim/memory_disk.h"

#include <algorithm>

#include "mrt/base/check.h"
#include "node/file_message.h"
#include "node/file_name.h"

namespace node::sim {
namespace {

mrt::ByteView chunk_of(const mrt::Bytes& bytes, uint64_t chunk) {
  return mrt::ByteView(bytes).subspan(chunk * chunk_bytes_max, chunk_size(bytes.size(), chunk));
}

HashTree tree_of(const mrt::Bytes& bytes) {
  HashTreeBuilder builder(bytes.size());
  for (uint64_t i = 0; i < chunk_count(bytes.size()); ++i) {
    builder.add(hash_of_chunk(bytes.size(), chunk_of(bytes, i)));
  }
  return builder.finish();
}

}  // namespace

void MemoryDisk::on_request(mrt::Instant now, const FileRequest& request) {
  now_ = now;
  std::visit([this](const auto& r) { carry_out(r); }, request);
}

std::optional<FileResult> MemoryDisk::poll_result(mrt::Instant now) {
  if (ready_.empty() || ready_.front().at > now) return std::nullopt;
  std::optional<FileResult> result(std::move(ready_.front().result));
  ready_.pop_front();
  return result;
}

mrt::Instant MemoryDisk::next_timeout() const {
  return ready_.empty() ? mrt::never : ready_.front().at;
}

void MemoryDisk::put(const std::string& path, mrt::Bytes content) {
  files_[path] = {std::move(content), ++versions_};
}

void MemoryDisk::erase(const std::string& path) { files_.erase(path); }

const mrt::Bytes* MemoryDisk::content(const std::string& path) const {
  const auto file = files_.find(path);
  return file == files_.end() ? nullptr : &file->second.bytes;
}

std::vector<std::string> MemoryDisk::received() const {
  std::vector<std::string> out;
  const std::string folder = config_.downloads + "/";
  for (const auto& [path, content] : files_) {
    if (path.starts_with(folder)) out.push_back(path.substr(folder.size()));
  }
  return out;
}

void MemoryDisk::crash() {
  sources_.clear();
  targets_.clear();
  ready_.clear();
  for (auto& [path, part] : parts_) part.in_use = false;
}

void MemoryDisk::carry_out(const OpenSource& request) {
  const auto file = files_.find(request.path);
  if (file == files_.end()) {
    return fail(request.file, FileFault::not_found,
                "cannot open " + request.path + ": no such file");
  }
  if (reads_fail_) {
    return fail(request.file, FileFault::disk, "cannot read " + request.path + ": I/O error");
  }
  const Content& content = file->second;
  const SourceFile& source =
      sources_
          .insert_or_assign(request.file,
                            SourceFile{request.path, tree_of(content.bytes), content.version})
          .first->second;
  answer(SourceOpened{request.file, content.bytes.size(), source.tree.root()},
         content.bytes.size());
}

void MemoryDisk::carry_out(const ReadChunk& request) {
  const auto source = sources_.find(request.file);
  if (source == sources_.end()) return;
  const auto file = files_.find(source->second.path);
  if (file == files_.end() || file->second.version != source->second.version) {
    return fail(request.file, FileFault::changed, source->second.path + " was changed");
  }
  if (reads_fail_) {
    return fail(request.file, FileFault::disk,
                "cannot read " + source->second.path + ": I/O error");
  }
  const mrt::Bytes& bytes = file->second.bytes;
  const HashTree& tree = source->second.tree;
  const uint64_t piece = request.chunk / tree.chunks_per_piece();
  std::vector<FileHash> hashes;
  for (uint64_t i = 0; i < tree.chunks_in_piece(piece); ++i) {
    const uint64_t chunk = piece * tree.chunks_per_piece() + i;
    hashes.push_back(hash_of_chunk(bytes.size(), chunk_of(bytes, chunk)));
  }
  const auto rows = tree.piece_rows(piece, std::move(hashes));
  CHECK(rows);
  const mrt::ByteView chunk = chunk_of(bytes, request.chunk);
  mrt::Bytes message = chunk_message(request.head, tree.proof(request.chunk, *rows), chunk.size());
  std::copy(chunk.begin(), chunk.end(), message.end() - static_cast<ptrdiff_t>(chunk.size()));
  answer(ChunkRead{request.file, request.chunk,
                   std::make_shared<const mrt::Bytes>(std::move(message))},
         chunk.size());
}

void MemoryDisk::carry_out(const OpenTarget& request) {
  const std::string path = config_.downloads + "/" + request.name;
  const auto there = files_.find(path);
  if (there != files_.end() && there->second.bytes.size() == request.size &&
      tree_of(there->second.bytes).root() == request.hash) {
    return answer(TargetPlaced{request.file, path, true}, request.size);
  }
  const std::string name = part_name(request.name, request.hash);
  auto part = parts_.find(name);
  if (part != parts_.end() && part->second.in_use) {
    return fail(request.file, FileFault::disk, name + " is being written already");
  }
  const bool resumed = part != parts_.end();
  if (!resumed) {
    if (request.size > room_) {
      return fail(request.file, FileFault::disk, "cannot write " + name + ": disk full");
    }
    room_ -= request.size;
    part = parts_.try_emplace(name).first;
  }
  part->second.in_use = true;
  targets_[request.file] = {request, name, resumed};
  answer(TargetOpened{request.file, part->second.have}, 0);
}

void MemoryDisk::carry_out(const WriteChunk& request) {
  const auto target = targets_.find(request.file);
  if (target == targets_.end()) return;
  if (writes_fail_) {
    return fail(request.file, FileFault::disk,
                "cannot write " + target->second.part + ": I/O error");
  }
  Part& part = parts_.at(target->second.part);
  const size_t begin = request.chunk * chunk_bytes_max;
  part.bytes.resize(std::max(part.bytes.size(), begin + request.size));
  std::copy_n(request.message->begin() + static_cast<ptrdiff_t>(request.offset), request.size,
              part.bytes.begin() + static_cast<ptrdiff_t>(begin));
  part.have.add(request.chunk, request.chunk + 1);
  answer(ChunkWritten{request.file, request.chunk}, request.size);
}

void MemoryDisk::carry_out(const FinishTarget& request) {
  const auto target = targets_.find(request.file);
  if (target == targets_.end()) return;
  const OpenTarget wanted = target->second.request;
  Part& part = parts_.at(target->second.part);
  if (target->second.resumed && tree_of(part.bytes).root() != wanted.hash) {
    part.bytes.clear();
    part.have.clear();
    target->second.resumed = false;
    return answer(TargetOpened{request.file, {}}, wanted.size);
  }
  std::string path = config_.downloads + "/" + wanted.name;
  for (uint32_t i = 1; files_.contains(path); ++i) {
    path = config_.downloads + "/" + numbered_name(wanted.name, i);
  }
  put(path, std::move(part.bytes));
  parts_.erase(target->second.part);
  targets_.erase(target);
  answer(TargetPlaced{request.file, path, false}, 0);
}

void MemoryDisk::carry_out(const CloseFile& request) { close(request.file, request.discard); }

void MemoryDisk::close(FileToken file, bool discard) {
  sources_.erase(file);
  const auto target = targets_.extract(file);
  if (target.empty()) return;
  parts_.at(target.mapped().part).in_use = false;
  if (!discard) return;
  room_ += target.mapped().request.size;
  parts_.erase(target.mapped().part);
}

void MemoryDisk::fail(FileToken file, FileFault fault, std::string message) {
  close(file, false);
  answer(FileFailed{file, fault, std::move(message)}, 0);
}

void MemoryDisk::answer(FileResult result, uint64_t bytes) {
  const double seconds = static_cast<double>(bytes) / config_.bytes_per_second;
  free_at_ = std::max(free_at_, now_) + config_.latency +
             mrt::Duration(static_cast<int64_t>(seconds * 1e9));
  ready_.push_back({free_at_, std::move(result)});
}

}  // namespace node::sim
