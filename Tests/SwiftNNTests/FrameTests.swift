// The frame below the operations: thread pool, allocator, messages, thread numbers.
import CSwiftNN
import Foundation
import Testing

@testable import SwiftNN

extension AllTests {
    @Suite struct ThreadPoolTests {
        @Test(arguments: [0, 1, 2, 3, 100, 10_000], [1, 2, 3, 4, 5]) func everyTaskRunsOnce(_ count: Int, _ threads: Int) {
            for _ in 0..<20 {
                let runs = Fenced<Int64>(count, 0)
                let inside = Fenced<Int64>(threads, 0)
                let wrong = Fenced<Int64>(1, 0)
                ThreadPool.run(count, threads: threads) { task, worker in
                    // a worker number belongs to one thread at a time: scratch memory is found by it
                    let valid = worker >= 0 && worker < threads && snn_atomic_compare_exchange(inside.pointer + worker, 0, 1) != 0
                    if !valid { _ = snn_atomic_add(wrong.pointer, 1) }
                    _ = snn_atomic_add(runs.pointer + task, 1)
                    // long enough for the other threads to come
                    if task < 4 { usleep(100) }
                    if valid { snn_atomic_store(inside.pointer + worker, 0) }
                }
                #expect(runs.values.allSatisfy { $0 == 1 })
                #expect(wrong[0] == 0, "two threads had the same worker number, or one outside of 0 ..< threads")
            }
        }

        /// As many tasks as threads that wait for each other: they can only end when each has a thread, and so a worker number, of its own.
        @Test(arguments: [2, 3, 4, 5]) func allThreadsTakePart(_ threads: Int) {
            let begun = Fenced<Int64>(1, 0)
            let workers = Fenced<Int64>(threads, 0)
            ThreadPool.run(threads, threads: threads) { _, worker in
                _ = snn_atomic_add(begun.pointer, 1)
                if worker < threads { _ = snn_atomic_add(workers.pointer + worker, 1) }
                let patience = Date.now + 10
                while snn_atomic_load(begun.pointer) < threads && Date.now < patience { usleep(50) }
            }
            #expect(workers.values.allSatisfy { $0 == 1 }, "tasks of each worker: \(workers.values)")
        }

        @Test func negativeCountRunsNothing() {
            ThreadPool.run(-3, threads: 2) { _, _ in Issue.record("a task ran") }
        }

        @Test func nestedRegionsRunOnTheirThread() {
            let runs = Fenced<Int64>(50 * 20, 0)
            let wrong = Fenced<Int64>(1, 0)
            ThreadPool.run(50, threads: 3) { outer, _ in
                let thread = pthread_self()
                if outer < 8 { usleep(100) }
                if ThreadPool.limit != 1 { _ = snn_atomic_add(wrong.pointer, 1) }
                ThreadPool.run(20, threads: 3) { inner, worker in
                    if worker != 0 || pthread_equal(pthread_self(), thread) == 0 { _ = snn_atomic_add(wrong.pointer, 1) }
                    _ = snn_atomic_add(runs.pointer + outer * 20 + inner, 1)
                }
                if ThreadPool.limit != 1 { _ = snn_atomic_add(wrong.pointer, 1) }
            }
            #expect(runs.values.allSatisfy { $0 == 1 })
            #expect(wrong[0] == 0, "a nested region left its thread, or the thread forgot that it is in a region")
        }

        @Test func callsFromSeveralThreads() {
            let failures = Fenced<Int64>(1, 0)
            onThreads(4) { caller in
                for round in 0..<300 {
                    let count = (round * 7 + caller) % 97
                    let runs = Fenced<Int64>(count, 0)
                    ThreadPool.run(count, threads: 1 + round % 4) { task, _ in _ = snn_atomic_add(runs.pointer + task, 1) }
                    if !runs.values.allSatisfy({ $0 == 1 }) { _ = snn_atomic_add(failures.pointer, 1) }
                }
            }
            #expect(failures[0] == 0)
        }

        /// Workers that have gone to sleep wake for the next region.
        @Test func regionsAfterAPause() {
            for _ in 0..<5 {
                usleep(20_000)
                let runs = Fenced<Int64>(64, 0)
                ThreadPool.run(64, threads: 3) { task, _ in _ = snn_atomic_add(runs.pointer + task, 1) }
                #expect(runs.values.allSatisfy { $0 == 1 })
            }
        }
    }

    @Suite struct ThreadNumberTests {
        @Test(arguments: [Int64.min, -1, 0, 1025, Int64.max]) func impossibleNumbers(_ n: Int64) {
            let before = snn_get_num_threads()
            #expect(snn_set_num_threads(n) == snn_status(SNN_VALUE_ERROR))
            #expect(lastError().contains("set_num_threads") && lastError().contains("\(n)") && lastError().contains("1024"))
            #expect(snn_get_num_threads() == before)
        }

        @Test func numbersAndLimits() {
            let before = snn_get_num_threads()
            #expect(before >= 1)
            for n in [Int64(1), 2, 3, 1024] {
                #expect(snn_set_num_threads(n) == snn_status(SNN_OK))
                #expect(snn_get_num_threads() == n)
                #expect(ThreadPool.limit == Int(n))
            }
            #expect(snn_set_num_threads(3) == snn_status(SNN_OK))
            #expect(snn_set_thread_limit(2) == 0)
            #expect(snn_get_num_threads() == 2)
            // the limit belongs to this thread alone
            onThreads(1) { _ in #expect(snn_get_num_threads() == 3) }
            #expect(snn_set_thread_limit(5000) == 2)
            #expect(snn_set_thread_limit(-4) == 1024)
            #expect(snn_set_thread_limit(0) == 0)
            #expect(snn_get_num_threads() == 3)
            #expect(snn_set_num_threads(before) == snn_status(SNN_OK))
        }

        /// The same bits for every number of threads, on work that is large enough to be shared.
        @Test func resultsDoNotDependOnThreads() throws {
            let before = snn_get_num_threads()
            defer { _ = snn_set_num_threads(before) }
            var first: [Float]?
            for n in [Int64(1), 2, 3, 5] {
                #expect(snn_set_num_threads(n) == snn_status(SNN_OK))
                let result = try linear(rows: 150, depth: 300, columns: 270)
                if let first { #expect(exactly(result, first) == nil, "\(n) threads") } else { first = result }
            }
        }
    }

    @Suite struct AllocatorTests {
        private struct Stats: Equatable {
            var bytesUsed, bytesCached, blocksUsed, fresh, reused: Int64
            static var now: Stats {
                var out = [Int64](repeating: 0, count: 5)
                snn_memory_stats(&out)
                return Stats(bytesUsed: out[0], bytesCached: out[1], blocksUsed: out[2], fresh: out[3], reused: out[4])
            }
        }

        @Test func blocksAreAlignedAndApart() throws {
            let before = Stats.now
            var sizes = [0, 1, 4095, 4096, 4097, (1 << 20) - 65, (1 << 20) - 64, (1 << 20) - 63, 1 << 20, (3 << 20) + 7]
            sizes += (0..<300).map { $0 * 17 + 63 }
            let blocks = try sizes.map { try #require(snn_allocate($0), "\($0) bytes") }
            for (i, (block, size)) in zip(blocks, sizes).enumerated() {
                #expect(UInt(bitPattern: block) % 64 == 0)
                #expect(snn_allocated_size(block) == size)
                memset(block, Int32(i % 251), size)
            }
            for (i, (block, size)) in zip(blocks, sizes).enumerated() {
                let bytes = UnsafeRawBufferPointer(start: block, count: size)
                #expect(bytes.allSatisfy { $0 == UInt8(i % 251) }, "a block of \(size) bytes was overwritten")
            }
            let during = Stats.now
            #expect(during.blocksUsed == before.blocksUsed + Int64(sizes.count))
            #expect(during.bytesUsed >= before.bytesUsed + Int64(sizes.reduce(0, +)))
            #expect(during.fresh + during.reused == before.fresh + before.reused + Int64(sizes.count))
            for block in blocks { snn_free(block) }
            #expect(Stats.now.blocksUsed == before.blocksUsed && Stats.now.bytesUsed == before.bytesUsed)
        }

        @Test(arguments: [100, 5000, 5 << 20]) func aFreedBlockIsReused(_ size: Int) throws {
            let block = try #require(snn_allocate(size))
            snn_free(block)
            let before = Stats.now
            let again = try #require(snn_allocate(size))
            let after = Stats.now
            #expect(again == block)
            #expect(after.reused == before.reused + 1 && after.fresh == before.fresh)
            #expect(after.bytesCached < before.bytesCached)
            snn_free(again)
        }

        @Test func releaseGivesEverythingBack() throws {
            for size in [64, 3000, 2 << 20] { snn_free(try #require(snn_allocate(size))) }
            let before = Stats.now
            #expect(before.bytesCached >= (2 << 20) + 3064)
            #expect(Int64(snn_release_memory()) == before.bytesCached)
            let after = Stats.now
            #expect(after.bytesCached == 0 && after.bytesUsed == before.bytesUsed && after.blocksUsed == before.blocksUsed)
            #expect(snn_release_memory() == 0)
        }

        @Test(arguments: [-1, Int.min, Int.max, (1 << 46) + 1, 1 << 62]) func impossibleSizes(_ size: Int) {
            let before = Stats.now
            #expect(snn_allocate(size) == nil)
            #expect(Stats.now.blocksUsed == before.blocksUsed)
        }

        @Test func nullIsNoBlock() {
            snn_free(nil)
            #expect(snn_allocated_size(nil) == 0)
        }

        @Test func severalThreads() {
            let before = Stats.now
            let failures = Fenced<Int64>(1, 0)
            onThreads(4) { caller in
                var draw = Draw(caller)
                for _ in 0..<200 {
                    let sizes = (0..<8).map { _ in 1 + draw.below(20_000) }
                    let blocks = sizes.map { snn_allocate($0) }
                    for (block, size) in zip(blocks, sizes) { if let block { memset(block, Int32(caller + 1), size) } }
                    for (block, size) in zip(blocks, sizes) {
                        let intact = UnsafeRawBufferPointer(start: block, count: size).allSatisfy { $0 == UInt8(caller + 1) }
                        if block == nil || !intact { _ = snn_atomic_add(failures.pointer, 1) }
                        snn_free(block)
                    }
                }
            }
            #expect(failures[0] == 0)
            #expect(Stats.now.blocksUsed == before.blocksUsed && Stats.now.bytesUsed == before.bytesUsed)
        }
    }

    @Suite struct MessageTests {
        @Test func aThreadBeginsWithoutAMessage() {
            _ = snn_set_num_threads(0)
            onThreads(1) { _ in #expect(lastError() == "") }
            #expect(lastError().contains("set_num_threads"))
        }

        @Test func piecesOfAMessage() {
            _ = Message("a ").number(0).text(" b ").number(Int.min).text(" ").number(907).shape(Shape()).valueError
            #expect(lastError() == "a 0 b -9223372036854775808 907()")
            var shape = Shape()
            shape.append(3)
            _ = Message("").shape(shape).typeError
            #expect(lastError() == "(3,)")
            shape.append(0)
            _ = Message("").shape(shape).number(1.5).text(" ").number(-0.25).text(" ").number(.nan).text(" ").number(-.infinity).typeError
            #expect(lastError() == "(3, 0)1.500 -0.250 nan -inf or huge")
        }

        @Test func longMessagesAreCut() {
            var message = Message("x")
            for _ in 0..<100 { message = message.text("0123456789") }
            #expect(lastError().utf8.count == Int(SNN_MAX_MESSAGE) - 1)
            message = Message("short")
            #expect(lastError() == "short")
        }
    }
}

/// Runs body(0), ..., body(n - 1) on threads of their own and waits for them.
func onThreads(_ n: Int, _ body: @escaping @Sendable (Int) -> Void) {
    let done = DispatchGroup()
    for i in 0..<n {
        done.enter()
        Thread {
            body(i)
            done.leave()
        }.start()
    }
    done.wait()
}

/// A linear operation of the given size on repeatable numbers.
private func linear(rows: Int, depth: Int, columns: Int) throws -> [Float] {
    var draw = Draw(9)
    func array(_ data: UnsafeMutablePointer<Float>, _ shape: [Int]) -> snn_array {
        var array = snn_array()
        array.data = UnsafeMutableRawPointer(data)
        array.dtype = Int32(SNN_FLOAT32)
        array.ndim = 2
        for i in 0..<2 {
            snn_shape_mutable(&array)[i] = Int64(shape[i])
            snn_strides_mutable(&array)[i] = i == 0 ? Int64(4 * shape[1]) : 4
        }
        return array
    }
    let x = Fenced<Float>(draw.numbers(rows * depth)), weight = Fenced<Float>(draw.numbers(columns * depth))
    let y = Fenced<Float>(rows * columns, .nan)
    let arrays = Fenced([
        array(x.pointer, [rows, depth]), array(weight.pointer, [columns, depth]), array(y.pointer, [rows, columns]),
    ])
    var args = snn_linear_forward_args()
    args.x = UnsafePointer(arrays.pointer)
    args.weight = UnsafePointer(arrays.pointer + 1)
    args.y = arrays.pointer + 2
    args.activation = Int64(SNN_NONE)
    let status = snn_linear_forward(&args)
    guard status == snn_status(SNN_OK) else { throw FixtureError(lastError()) }
    return y.values
}

extension AllTests {
    @Suite struct CgroupTests {
        /// The quota that a process of these lines in /proc/self/cgroup finds where these files are below /sys/fs/cgroup.
        private func cpus(_ lines: String, _ files: [String: String]) throws -> Int64 {
            let root = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
            defer { try? FileManager.default.removeItem(at: root) }
            for (name, text) in [("proc/self/cgroup", lines)] + files.map({ ("sys/fs/cgroup/" + $0.key, $0.value) }) {
                let file = root.appendingPathComponent(name)
                try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                try text.write(to: file, atomically: true, encoding: .utf8)
            }
            return snn_cgroup_cpus(root.path)
        }

        @Test func version2() throws {
            #expect(try cpus("0::/\n", ["cpu.max": "150000 100000\n"]) == 2)
            #expect(try cpus("0::/\n", ["cpu.max": "max 100000\n"]) == 0)
            #expect(try cpus("0::/a/b\n", ["a/b/cpu.max": "max 100000\n", "a/cpu.max": "50000 100000\n"]) == 1)
            #expect(try cpus("0::/a/b\n", ["a/b/cpu.max": "200000 100000\n", "a/cpu.max": "400000 100000\n"]) == 2)
            // a container's own group, of which it sees no folder
            #expect(try cpus("0::/docker/abc\n", ["cpu.max": "300000 100000\n"]) == 3)
        }

        @Test func version1() throws {
            func quota(_ folder: String, _ quota: String) -> [String: String] {
                [folder + "/cpu.cfs_quota_us": quota + "\n", folder + "/cpu.cfs_period_us": "100000\n"]
            }
            let lines = "5:memory:/x\n3:cpu,cpuacct:/a/b\n2:cpuset:/\n0::/\n"
            #expect(try cpus(lines, quota("cpu", "250000")) == 3)
            #expect(try cpus(lines, quota("cpu,cpuacct/a/b", "100000")) == 1)
            #expect(try cpus(lines, quota("cpu/a", "400000").merging(quota("cpu/a/b", "-1")) { $1 }) == 4)
            #expect(try cpus(lines, quota("cpu/x", "100000")) == 0)
            #expect(try cpus("2:cpuset:/a\n", quota("cpu/a", "100000")) == 0)
        }

        @Test func whatIsNoCgroup() throws {
            #expect(try cpus("", [:]) == 0)
            #expect(try cpus("no colons\n:\n::\n", ["cpu.max": "text\n"]) == 0)
            #expect(try cpus("0::/" + String(repeating: "a", count: 5000) + "\n", ["cpu.max": "100000 100000\n"]) <= 1)
            #expect(snn_cgroup_cpus("/nowhere") == 0)
        }
    }
}

extension AllTests {
    @Suite struct CoreTests {
        /// The cores that this process has where the CPUs of its affinity mask are hyper-threads of these.
        private func cores(_ siblings: (Int) -> String) throws -> Int64 {
            let root = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
            defer { try? FileManager.default.removeItem(at: root) }
            for cpu in 0..<1024 {
                let folder = root.appendingPathComponent("sys/devices/system/cpu/cpu\(cpu)/topology")
                try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
                try siblings(cpu).write(to: folder.appendingPathComponent("thread_siblings_list"), atomically: false, encoding: .utf8)
            }
            return snn_core_count(root.path)
        }

        @Test func hyperThreads() throws {
            let cpus = snn_core_count("/nowhere")  // without a list each CPU is a core
            #expect(cpus >= 1)
            #expect(try cores { "\($0)\n" } == cpus)
            #expect(try cores { _ in "0-1023\n" } == 1)
            #expect(try cores { "\($0 % 512),\($0 % 512 + 512)\n" } <= cpus)
            #expect(try cores { _ in "no number" } == cpus)
            #expect(try cores { _ in "" } == cpus)
            #expect(try cores { _ in "-5" } == cpus)
            #expect(try cores { _ in "4096" } == cpus)
            let pairs = try cores { "\($0 & ~1)-\($0 | 1)\n" }
            #expect(pairs >= (cpus + 1) / 2 && pairs <= cpus)
        }
    }
}
