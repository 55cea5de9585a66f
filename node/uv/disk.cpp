// SPDX-License-Identifier: MIT
#include "node/uv/disk.h"

#include <algorithm>
#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "mrt/base/check.h"
#include "node/uv/descriptor.h"
#include "node/uv/part_file.h"
#include "node/uv/source_file.h"

namespace node::uv {
namespace {

/// libuv has four workers. So many jobs are with it at once: enough that none waits for the loop.
constexpr size_t jobs_max = 8;
/// Of these, long ones (hashing): chunks always find a worker.
constexpr size_t long_jobs_max = 2;
/// Requests of one token in one job: half a megabyte, some milliseconds.
constexpr size_t requests_per_job_max = 8;
/// A progress bar needs no more.
constexpr uint64_t progress_interval_ms = 100;

/// One token, and what is to be done for it.
struct Slot {
  explicit Slot(FileToken token) : file(token) {}

  FileToken file;
  std::unique_ptr<DiskFile> work;  // a worker's while `running`, else the loop's
  std::deque<FileRequest> waiting;
  bool running = false;
  bool queued = false;   // among those that wait for a place
  bool closing = false;  // CloseFile is the last in `waiting`, or done
  uint64_t descriptor_stamp = 0;
  uint64_t progress_at_ms = 0;
};

}  // namespace

struct Disk::State : std::enable_shared_from_this<Disk::State> {
  struct Job {
    uv_work_t work{};
    std::shared_ptr<State> state;
    std::shared_ptr<Slot> slot;
    std::deque<FileRequest> requests;
    std::vector<FileResult> results;
    bool is_long = false;
  };

  void request(FileRequest request);
  void close(std::function<void()> when_done);
  void enqueue(const std::shared_ptr<Slot>& slot);
  void start_jobs();
  void start(const std::shared_ptr<Slot>& slot, bool is_long);
  static void run(Job& job);
  void on_done(Job& job);
  void deliver(Slot& slot, FileResult& result);
  void note_descriptor(const std::shared_ptr<Slot>& slot);
  bool is_long(const Slot& slot) const;

  uv_loop_t* loop = nullptr;
  std::string downloads;
  OnResult on_result;
  std::function<void()> when_closed;
  bool closed = false;
  std::map<FileToken, std::shared_ptr<Slot>> slots;
  std::deque<std::shared_ptr<Slot>> short_work;
  std::deque<std::shared_ptr<Slot>> long_work;
  size_t jobs = 0;
  size_t long_jobs = 0;
  const size_t descriptors_kept = std::min(descriptors_max, descriptor_limit() / 8);
  uint64_t stamps = 0;
  std::map<uint64_t, std::shared_ptr<Slot>> descriptors;  // least recently used first
};

Disk::Disk(uv_loop_t* loop, std::string downloads, OnResult on_result)
    : state_(std::make_shared<State>()) {
  state_->loop = loop;
  state_->downloads = std::move(downloads);
  state_->on_result = std::move(on_result);
}

Disk::~Disk() { state_->close(nullptr); }

void Disk::request(FileRequest request) { state_->request(std::move(request)); }

void Disk::close(std::function<void()> done) { state_->close(std::move(done)); }

void Disk::State::request(FileRequest request) {
  if (closed) return;
  const FileToken file = std::visit([](const auto& r) { return r.file; }, request);
  auto entry = slots.find(file);
  if (entry == slots.end()) {
    auto slot = std::make_shared<Slot>(file);
    if (const auto* source = std::get_if<OpenSource>(&request)) {
      slot->work = std::make_unique<SourceFile>(file, source->path);
    } else if (std::holds_alternative<OpenTarget>(request)) {
      slot->work = std::make_unique<PartFile>(downloads);
    } else {
      return;  // of a token that has ended
    }
    entry = slots.emplace(file, std::move(slot)).first;
  }
  Slot& slot = *entry->second;
  if (slot.closing) return;
  if (std::holds_alternative<CloseFile>(request)) {
    slot.closing = true;
    slot.waiting.clear();
  }
  slot.waiting.push_back(std::move(request));
  enqueue(entry->second);
  start_jobs();
}

/// Hashing, and opening, which may begin with it.
bool Disk::State::is_long(const Slot& slot) const {
  if (slot.closing) return false;
  if (slot.work->is_busy()) return true;
  const FileRequest& first = slot.waiting.front();
  return std::holds_alternative<OpenSource>(first) || std::holds_alternative<OpenTarget>(first) ||
         std::holds_alternative<FinishTarget>(first);
}

void Disk::State::enqueue(const std::shared_ptr<Slot>& slot) {
  if (slot->running || slot->queued) return;
  if (slot->waiting.empty() && !slot->work->is_busy()) return;
  slot->queued = true;
  (is_long(*slot) ? long_work : short_work).push_back(slot);
}

void Disk::State::start_jobs() {
  while (jobs < jobs_max) {
    const bool take_long = short_work.empty();
    if (take_long && (long_work.empty() || long_jobs >= long_jobs_max)) return;
    auto& queue = take_long ? long_work : short_work;
    const auto slot = queue.front();
    queue.pop_front();
    slot->queued = false;
    start(slot, take_long);
  }
}

void Disk::State::start(const std::shared_ptr<Slot>& slot, bool is_long) {
  auto job = std::make_unique<Job>();
  job->state = shared_from_this();
  job->slot = slot;
  job->is_long = is_long;
  const bool goes_on = slot->work->is_busy() && !slot->closing;
  while (!goes_on && !slot->waiting.empty() && job->requests.size() < requests_per_job_max) {
    job->requests.push_back(std::move(slot->waiting.front()));
    slot->waiting.pop_front();
  }
  slot->running = true;
  ++jobs;
  if (is_long) ++long_jobs;
  job->work.data = job.get();
  const int error = uv_queue_work(
      loop, &job->work, [](uv_work_t* work) { run(*static_cast<Job*>(work->data)); },
      [](uv_work_t* work, int) {
        const std::unique_ptr<Job> done(static_cast<Job*>(work->data));
        done->state->on_done(*done);
      });
  CHECK(error == 0);  // it fails only without a work function
  job.release();
}

/// On a worker's thread: touches nothing but the job and its slot's work.
void Disk::State::run(Job& job) {
  DiskFile& work = *job.slot->work;
  if (job.requests.empty()) {
    work.go_on(job.results);
    return;
  }
  while (!job.requests.empty()) {
    const bool closes = std::holds_alternative<CloseFile>(job.requests.front());
    if (work.is_busy() && !closes) return;  // the rest comes when that is done
    work.carry_out(job.requests.front(), job.results);
    job.requests.pop_front();
    if (!job.results.empty() && std::holds_alternative<FileFailed>(job.results.back())) return;
  }
}

/// What is asked for while the results are told only joins the queue: the slot is still running.
void Disk::State::on_done(Job& job) {
  const auto slot = job.slot;
  --jobs;
  if (job.is_long) --long_jobs;
  // A close that came meanwhile has taken the place of what was left.
  if (!slot->closing) {
    slot->waiting.insert(slot->waiting.begin(), std::make_move_iterator(job.requests.begin()),
                         std::make_move_iterator(job.requests.end()));
  }
  for (FileResult& result : job.results) deliver(*slot, result);
  slot->running = false;
  if (slot->closing && slot->waiting.empty()) slots.erase(slot->file);
  note_descriptor(slot);
  if (slots.contains(slot->file)) enqueue(slot);
  start_jobs();
  if (closed && slots.empty() && jobs == 0) {
    if (const auto done = std::exchange(when_closed, nullptr)) done();
  }
}

void Disk::State::deliver(Slot& slot, FileResult& result) {
  if (slot.closing || closed) return;
  if (std::holds_alternative<HashProgress>(result)) {
    const uint64_t now_ms = uv_now(loop);
    if (now_ms < slot.progress_at_ms + progress_interval_ms) return;
    slot.progress_at_ms = now_ms;
  }
  if (std::holds_alternative<FileFailed>(result) || std::holds_alternative<TargetPlaced>(result)) {
    slot.closing = true;  // nothing more comes of this token
    slot.waiting.clear();
  }
  on_result(std::move(result));
}

/// Keeps the descriptors of sources that were read last.
void Disk::State::note_descriptor(const std::shared_ptr<Slot>& slot) {
  descriptors.erase(slot->descriptor_stamp);
  slot->descriptor_stamp = 0;
  if (!slots.contains(slot->file) || !slot->work->holds_idle_descriptor()) return;
  slot->descriptor_stamp = ++stamps;
  descriptors.emplace(slot->descriptor_stamp, slot);
  for (auto oldest = descriptors.begin(); descriptors.size() > descriptors_kept;) {
    if (oldest == descriptors.end()) return;
    Slot& idle = *oldest->second;
    if (idle.running) {
      ++oldest;
      continue;
    }
    idle.work->release_descriptor();
    idle.descriptor_stamp = 0;
    oldest = descriptors.erase(oldest);
  }
}

void Disk::State::close(std::function<void()> when_done) {
  if (!closed) {
    for (auto& [file, slot] : slots) {
      if (slot->closing) continue;
      slot->closing = true;
      slot->waiting.clear();
      slot->waiting.push_back(CloseFile{file});
      enqueue(slot);
    }
    closed = true;
    start_jobs();
  }
  when_closed = std::move(when_done);
  if (slots.empty() && jobs == 0) {
    if (const auto done = std::exchange(when_closed, nullptr)) done();
  }
}

}  // namespace node::uv
