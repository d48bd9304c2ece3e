// Hands RocksDB's own FaultInjectionTestFS to the `rocksdb` crate, which takes a foreign Env through `Env::from_raw`.
//
// Around it lies a thin file system of ours that fails the n-th sync of a write-ahead log and leaves the bytes
// unsynced, where FaultInjectionTestFS can only fail everything at once; and that remembers the unsynced bytes of each
// log, so that a cut can leave a part of them: FaultInjectionTestFS shortens its buffers and then forgets them.

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "rocksdb/env.h"
#include "rocksdb/file_system.h"
#include "util/random.h"
#include "utilities/fault_injection_fs.h"

using namespace ROCKSDB_NAMESPACE;

// The layout of librocksdb's c.cc.
struct rocksdb_env_t {
  Env* rep;
  bool is_default;
};

namespace {

struct SyncFault {
  std::atomic<int64_t> countdown{0};  // 0: no fault; n: the n-th sync from now fails
  std::atomic<uint64_t> syncs{0};
  std::atomic<uint64_t> failed{0};
  std::mutex mutex;
  std::map<std::string, std::string> unsynced;  // by file, what was appended since its last sync

  void Appended(const std::string& name, const Slice& data) {
    std::lock_guard<std::mutex> lock(mutex);
    unsynced[name].append(data.data(), data.size());
  }
  void Synced(const std::string& name) {
    std::lock_guard<std::mutex> lock(mutex);
    unsynced.erase(name);
  }

  bool Fails() {
    syncs++;
    int64_t left = countdown.load();
    while (left > 0 && !countdown.compare_exchange_weak(left, left - 1)) {
    }
    if (left != 1) return false;
    failed++;
    return true;
  }
};

class SyncFaultFile : public FSWritableFileOwnerWrapper {
 public:
  SyncFaultFile(std::unique_ptr<FSWritableFile>&& file, std::string name, std::shared_ptr<SyncFault> fault)
      : FSWritableFileOwnerWrapper(std::move(file)), name_(std::move(name)), fault_(std::move(fault)) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* dbg) override {
    IOStatus status = FSWritableFileOwnerWrapper::Append(data, options, dbg);
    if (status.ok()) fault_->Appended(name_, data);
    return status;
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const DataVerificationInfo& info,
                  IODebugContext* dbg) override {
    IOStatus status = FSWritableFileOwnerWrapper::Append(data, options, info, dbg);
    if (status.ok()) fault_->Appended(name_, data);
    return status;
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* dbg) override {
    if (fault_->Fails()) return IOStatus::IOError("injected: EIO on sync");
    return Synced(FSWritableFileOwnerWrapper::Sync(options, dbg));
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* dbg) override {
    if (fault_->Fails()) return IOStatus::IOError("injected: EIO on sync");
    return Synced(FSWritableFileOwnerWrapper::Fsync(options, dbg));
  }

 private:
  IOStatus Synced(IOStatus status) {
    if (status.ok()) fault_->Synced(name_);
    return status;
  }

  const std::string name_;
  std::shared_ptr<SyncFault> fault_;
};

class SyncFaultFs : public FileSystemWrapper {
 public:
  SyncFaultFs(std::shared_ptr<FileSystem> base, std::shared_ptr<SyncFault> fault)
      : FileSystemWrapper(std::move(base)), fault_(std::move(fault)) {}
  const char* Name() const override { return "TephraSyncFaultFs"; }

  IOStatus NewWritableFile(const std::string& name, const FileOptions& options,
                           std::unique_ptr<FSWritableFile>* result, IODebugContext* dbg) override {
    return Wrapped(name, FileSystemWrapper::NewWritableFile(name, options, result, dbg), result);
  }
  IOStatus ReopenWritableFile(const std::string& name, const FileOptions& options,
                              std::unique_ptr<FSWritableFile>* result, IODebugContext* dbg) override {
    return Wrapped(name, FileSystemWrapper::ReopenWritableFile(name, options, result, dbg), result);
  }
  IOStatus ReuseWritableFile(const std::string& name, const std::string& old_name, const FileOptions& options,
                             std::unique_ptr<FSWritableFile>* result, IODebugContext* dbg) override {
    return Wrapped(name, FileSystemWrapper::ReuseWritableFile(name, old_name, options, result, dbg), result);
  }

 private:
  IOStatus Wrapped(const std::string& name, IOStatus status, std::unique_ptr<FSWritableFile>* result) {
    const std::string suffix = ".log";
    bool is_wal = name.size() > suffix.size() && name.compare(name.size() - suffix.size(), suffix.size(), suffix) == 0;
    if (status.ok() && is_wal) result->reset(new SyncFaultFile(std::move(*result), name, fault_));
    return status;
  }

  std::shared_ptr<SyncFault> fault_;
};

}  // namespace

struct TephraFaultFs {
  std::shared_ptr<FaultInjectionTestFS> fs;
  std::shared_ptr<SyncFault> sync;
};

extern "C" {

TephraFaultFs* tephra_faultfs_new(rocksdb_env_t** env) {
  auto* handle = new TephraFaultFs;
  handle->fs = std::make_shared<FaultInjectionTestFS>(FileSystem::Default());
  handle->fs->SetFilesystemDirectWritable(false);
  // Without this nothing is ever lost, and a store that never syncs would pass.
  handle->fs->SetInjectUnsyncedDataLoss(true);
  handle->sync = std::make_shared<SyncFault>();
  auto* wrapped = new rocksdb_env_t;
  wrapped->rep = NewCompositeEnv(std::make_shared<SyncFaultFs>(handle->fs, handle->sync)).release();
  wrapped->is_default = false;
  *env = wrapped;
  return handle;
}

void tephra_faultfs_free(TephraFaultFs* handle) { delete handle; }

// 0: works; 1: every operation fails as without power; 2: every write fails as on a full disk.
void tephra_faultfs_set(TephraFaultFs* handle, int state) {
  switch (state) {
    case 0:
      handle->fs->SetFilesystemActive(true);
      break;
    case 1:
      handle->fs->SetFilesystemActive(false, IOStatus::IOError("injected: power cut"));
      break;
    default:
      handle->fs->SetFilesystemActive(false, IOStatus::NoSpace("injected: ENOSPC"));
  }
}

// Drops what was not synced, then the files whose name was not; with `torn`, a random part of each log's end comes back.
int tephra_faultfs_lose(TephraFaultFs* handle, int torn, uint32_t seed) {
  IOStatus status = handle->fs->DropUnsyncedFileData();
  // Deleting is refused while there is no power.
  handle->fs->SetFilesystemActive(true);
  if (status.ok()) status = handle->fs->DeleteFilesCreatedAfterLastDirSync(IOOptions(), nullptr);
  handle->fs->ResetState();
  Random random(seed);
  std::lock_guard<std::mutex> lock(handle->sync->mutex);
  for (auto& [name, bytes] : handle->sync->unsynced) {
    auto base = FileSystem::Default();
    if (!torn || bytes.empty() || !base->FileExists(name, IOOptions(), nullptr).ok()) continue;
    std::unique_ptr<FSWritableFile> file;
    IOStatus opened = base->ReopenWritableFile(name, FileOptions(), &file, nullptr);
    Slice part(bytes.data(), random.Uniform(static_cast<int>(bytes.size()) + 1));
    if (opened.ok()) opened = file->Append(part, IOOptions(), nullptr);
    if (opened.ok()) opened = file->Close(IOOptions(), nullptr);
    if (!opened.ok()) status = opened;
  }
  handle->sync->unsynced.clear();
  return status.ok() ? 0 : 1;
}

void tephra_faultfs_fail_sync(TephraFaultFs* handle, int64_t nth) { handle->sync->countdown = nth; }
uint64_t tephra_faultfs_syncs(TephraFaultFs* handle) { return handle->sync->syncs; }
uint64_t tephra_faultfs_failed_syncs(TephraFaultFs* handle) { return handle->sync->failed; }

}  // extern "C"
