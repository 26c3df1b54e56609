// pack_strips, recurrent and recurrent_backward. Products are met exactly, made by plain loops; the cells are those of the fixtures.
import CSwiftNN
import Foundation
import Testing

extension AllTests {
    @Suite struct KernelRecurrentTests {
        @Test func packStrips() {
            packs(Float.self)
            packs(Double.self)
        }
        @Test func products() {
            sums(Float.self)
            sums(Double.self)
        }
        @Test func derivatives() {
            for mode in [SNN_RNN_TANH, SNN_RNN_RELU, SNN_LSTM, SNN_GRU] {
                for units in vectorSizes {
                    derivativeCase(Int64(mode), units, Float.self)
                    derivativeCase(Int64(mode), units, Double.self)
                }
            }
        }
        @Test func cells() throws {
            let cases = try Fixtures.kernels.get()["cell"] ?? []
            #expect(!cases.isEmpty, "make_kernel_fixtures.py writes no case for cell")
            for fixture in cases {
                if fixture.name.hasSuffix("float32") { try cellCase(fixture, Float.self) } else { try cellCase(fixture, Double.self) }
            }
        }
    }
}

/// The numbers of a vector, on every level.
private func lanes<T: Number>(_: T.Type) -> Int { 64 / MemoryLayout<T>.stride }
private func padded<T: Number>(_ units: Int, _: T.Type) -> Int { (units + lanes(T.self) - 1) / lanes(T.self) * lanes(T.self) }

/// The column of (gate, unit) in the order of strips.
private func column<T: Number>(_ gates: Int, _ gate: Int, _ unit: Int, of units: Int, _: T.Type) -> Int {
    let w = lanes(T.self)
    if gates == 1 { return unit }
    let first = unit / w * w
    return first * gates + gate * (isShort(gates, units - first, T.self) ? w / 4 : w) + unit - first
}

/// Whether four gates of the last units share a vector.
private func isShort<T: Number>(_ gates: Int, _ units: Int, _: T.Type) -> Bool { gates == 4 && units <= lanes(T.self) / 4 }

/// A weight (gates * units, depth) in strips: the columns of strips of `width` follow each other for every k or, by vectors, those of each
/// vector for every k of a block.
private func strips<T: Number>(_ weight: [T], gates: Int, units: Int, depth: Int, for kernels: Kernels<T>) -> [T] {
    let byVectors = kernels.table.strip_vectors == 1, lanes = lanes(T.self)
    let last = (units - 1) / lanes * lanes
    let total = gates * last + (isShort(gates, units - last, T.self) ? 1 : gates) * lanes
    var out = [T](repeating: 0, count: total * depth)
    for g in 0..<gates {
        for u in 0..<units {
            let at = column(gates, g, u, of: units, T.self), strip = (gates == 1 ? 4 : gates) * lanes
            let first = at / strip * strip, width = min(strip, total - first)
            let vector = (at - first) / lanes, lane = (at - first) % lanes
            for k in 0..<depth {
                let block = k / 256 * 256
                let place =
                    byVectors
                    ? block * width + (vector * min(256, depth - block) + k - block) * lanes + lane : k * width + vector * lanes + lane
                out[first * depth + place] = weight[(g * units + u) * depth + k]
            }
        }
    }
    return out
}

private func packs<T: Number>(_: T.Type) {
    for gates in [1, 3, 4] {
        for units in [1, 2, 3, 7, 8, 15, 16, 17, 20, 21, 40, 70, 130] {
            for depth in [0, 1, 5, 16, 37, 256, 300] {
                for transposed in [false, true] {
                    var draw = Draw(gates + units + depth)
                    let weight: [T] = draw.numbers(gates * units * depth)
                    let rows = gates * units
                    var stored = weight
                    if transposed {
                        for i in 0..<rows {
                            for k in 0..<depth { stored[k * rows + i] = weight[i * depth + k] }
                        }
                    }
                    let source = Fenced(stored)
                    let count = (padded(units, T.self) / lanes(T.self) + (gates == 1 ? 3 : 0)) / (gates == 1 ? 4 : 1)
                    onEveryLevel("pack_strips gates \(gates) units \(units) depth \(depth)", sameOrder: false) { (kernels: Kernels<T>) in
                        let out = Fenced<T>(strips(weight, gates: gates, units: units, depth: depth, for: kernels).count, -99)
                        // in two calls
                        for (first, n) in [(0, count / 2), (count / 2, count - count / 2)] {
                            var pack = snn_strip_pack(
                                src: source.pointer, rs: Int64(transposed ? 1 : depth), ks: Int64(transposed ? rows : 1),
                                gates: Int64(gates),
                                units: Int64(units), k: Int64(depth), first: Int64(first), count: Int64(n),
                                dst: out.pointer + first * (gates == 1 ? 4 : gates) * lanes(T.self) * depth)
                            kernels.table.pack_strips(&pack)
                        }
                        if !out.isIntact { report("pack_strips on \(kernels.name) wrote in front of its memory") }
                        return out.values
                    } _: { kernels, out in
                        exactly(out, strips(weight, gates: gates, units: units, depth: depth, for: kernels))
                    }
                }
            }
        }
    }
}

private func sums<T: Number>(_: T.Type) {
    var turn = 0
    for rows in 1...14 {
        for (gates, units) in [(1, 1), (1, 16), (1, 40), (1, 64), (1, 100), (3, 20), (3, 33), (4, 1), (4, 7), (4, 16), (4, 20), (4, 50)] {
            turn += 1
            sumsCase(rows, gates, units, [0, 1, 20, 255, 256, 257, 600][turn % 7], T.self)
        }
    }
}

private func sumsCase<T: Number>(_ rows: Int, _ gates: Int, _ units: Int, _ depth: Int, _: T.Type) {
    var draw = Draw(rows * 1000 + gates * 100 + units + depth)
    let width = gates * padded(units, T.self), lda = depth + 3, ldSums = width + 5, blocks = 256
    let a = Fenced<T>(draw.numbers(max(1, (rows - 1) * lda + depth)))
    let weight: [T] = draw.numbers(gates * units * depth)
    let same = rows % 2 == 0
    let start = Fenced<T>(draw.numbers(same ? width : rows * width))
    onEveryLevel("recurrent rows \(rows) gates \(gates) units \(units) depth \(depth)") { (kernels: Kernels<T>) in
        let out = Fenced<T>((rows - 1) * ldSums + width, -99)
        let w = Fenced(strips(weight, gates: gates, units: units, depth: depth, for: kernels))
        var p = snn_recurrent()
        p.mode = -1
        (p.gates, p.units, p.rows, p.k) = (Int64(gates), Int64(units), Int64(rows), Int64(depth))
        (p.a, p.lda) = (UnsafeRawPointer(a.pointer), Int64(lda))
        p.w = UnsafeRawPointer(w.pointer)
        (p.start, p.ld_start) = (UnsafeRawPointer(start.pointer), Int64(same ? 0 : width))
        (p.sums, p.ld_sums) = (UnsafeMutableRawPointer(out.pointer), Int64(ldSums))
        p.reverse = Int64(rows & 2)
        kernels.table.recurrent(&p)
        if !out.isIntact { report("recurrent on \(kernels.name) wrote in front of its memory") }
        return out.values
    } _: { kernels, out in
        for i in 0..<rows {
            for g in 0..<gates {
                for u in 0..<units {
                    let at = column(gates, g, u, of: units, T.self)
                    var sum = start[same ? at : i * width + at]
                    var k = 0
                    while k < depth {
                        var block: T = 0
                        for x in k..<min(k + blocks, depth) {
                            block = kernels.fma(a[i * lda + x], weight[(g * units + u) * depth + x], block)
                        }
                        sum += block
                        k += blocks
                    }
                    if out[i * ldSums + at] != sum { return "row \(i) gate \(g) unit \(u) is \(out[i * ldSums + at]), expected \(sum)" }
                }
            }
            for x in width..<ldSums where i < rows - 1 && out[i * ldSums + x] != -99 { return "row \(i) is written beyond its end" }
        }
        return nil
    }
}

private func cellCase<T: Number>(_ fixture: FixtureCase, _: T.Type) throws {
    let n = Int(try fixture.integer("n")), gate = Int(try fixture.integer("gate")), mode = try fixture.integer("mode")
    let xp: [T] = try #require(try fixture.values("xp")), hp: [T] = try #require(try fixture.values("hp"))
    let c: [T] = try #require(try fixture.values("c")), h: [T] = try #require(try fixture.values("h"))
    let isLSTM = mode == Int64(SNN_LSTM), isGRU = mode == Int64(SNN_GRU)
    let gates = isLSTM ? 4 : isGRU ? 3 : 1
    var expected = try fixture.expectedValues("y"), error = try fixture.expectedValues("y_error")
    if isLSTM {
        expected += try fixture.expectedValues("state")
        error += try fixture.expectedValues("state_error")
    }
    // Rows of a are h, which a GRU reads as its previous state, and a 1 that alone has weights: hp.
    let rows = 6, width = gates * padded(n, T.self), whole = padded(n, T.self)
    var weight = [T](repeating: 0, count: gates * n * (n + 1)), start = [T](repeating: 0, count: width)
    for g in 0..<gates {
        for u in 0..<n {
            weight[(g * n + u) * (n + 1) + n] = hp[g * gate + u]
            start[column(gates, g, u, of: n, T.self)] = xp[g * gate + u]
        }
    }
    let a = Fenced<T>((0..<rows).flatMap { _ in h + [1] })
    let sums = Fenced(start), zeros = Fenced<T>(whole, 0)
    let states: [T] = (0..<rows).flatMap { _ in c + [T](repeating: 0, count: whole - n) }
    let everyRow: [Double] = (0..<rows).flatMap { _ in expected }, everyError: [Double] = (0..<rows).flatMap { _ in error }
    onEveryLevel("recurrent cell \(fixture.name)") { (kernels: Kernels<T>) in
        let w = Fenced(strips(weight, gates: gates, units: n, depth: n + 1, for: kernels))
        let y = Fenced<T>(rows * n, -99), scratch = Fenced<T>(max(rows, 2) * 4 * lanes(T.self), -99)
        let state = Fenced(states)
        var p = snn_recurrent()
        p.mode = mode
        (p.gates, p.units, p.rows, p.k) = (Int64(gates), Int64(n), Int64(rows), Int64(n + 1))
        (p.a, p.lda) = (UnsafeRawPointer(a.pointer), Int64(n + 1))
        p.h = p.a
        p.w = UnsafeRawPointer(w.pointer)
        p.start = UnsafeRawPointer(sums.pointer)
        p.candidate = UnsafeRawPointer(zeros.pointer)
        p.sums = UnsafeMutableRawPointer(scratch.pointer)
        (p.c, p.ldc) = (UnsafeMutableRawPointer(state.pointer), Int64(whole))
        (p.y, p.ldy) = (UnsafeMutableRawPointer(y.pointer), Int64(n))
        kernels.table.recurrent(&p)
        if !y.isIntact || !state.isIntact || !scratch.isIntact {
            report("recurrent cell \(fixture.name) on \(kernels.name) wrote in front of its memory")
        }
        var results: [T] = []
        for r in 0..<rows {
            results += y.values[(r * n)..<(r * n + n)]
            if isLSTM { results += state.values[(r * whole)..<(r * whole + n)] }
        }
        return results
    } _: { _, y in
        within(y, everyRow, everyError)
    }
}

/// The derivative of a cell against its formulas in double, with and without the gradients that may be missing.
private func derivativeCase<T: Number>(_ mode: Int64, _ n: Int, _: T.Type) {
    let rows = 3, whole = padded(n, T.self), isLSTM = mode == Int64(SNN_LSTM), isGRU = mode == Int64(SNN_GRU)
    let kept = isLSTM ? 5 : isGRU ? 4 : 1, gates = isLSTM ? 4 : isGRU ? 3 : 1
    var draw = Draw(n)
    let saved: [T] = draw.numbers(rows * kept * n), before: [T] = draw.numbers(rows * n), dy: [T] = draw.numbers(rows * n)
    let behind = [T](repeating: 0, count: whole - n)
    let dh = (0..<rows).flatMap { _ in draw.numbers(n, T.self) + behind }, dc = (0..<rows).flatMap { _ in draw.numbers(n, T.self) + behind }
    for withGradient in [false, true] {
        var expected: [Double] = []
        for r in 0..<rows {
            var parts = [[Double]](repeating: [], count: gates)
            var state: [Double] = [], extra: [Double] = []
            for u in 0..<n {
                let s = (0..<kept).map { Double(saved[(r * kept + $0) * n + u]) }
                let h = Double(dh[r * whole + u]) + (withGradient ? Double(dy[r * n + u]) : 0), b = Double(before[r * n + u])
                if isLSTM {
                    let t = tanh(s[4]), d = Double(dc[r * whole + u]) + h * s[3] * (1 - t * t)
                    let all = [
                        d * s[2] * s[0] * (1 - s[0]), d * b * s[1] * (1 - s[1]), d * s[0] * (1 - s[2] * s[2]), h * t * s[3] * (1 - s[3]),
                    ]
                    for g in 0..<4 { parts[g].append(all[g]) }
                    state.append(d * s[1])
                    extra.append(s[3] * t)
                } else if isGRU {
                    let d = h * (1 - s[1]) * (1 - s[2] * s[2])
                    let all = [d * s[3] * s[0] * (1 - s[0]), h * (b - s[2]) * s[1] * (1 - s[1]), d * s[0]]
                    for g in 0..<3 { parts[g].append(all[g]) }
                    state.append(h * s[1])
                    extra.append(d)
                } else {
                    parts[0].append(mode == Int64(SNN_RNN_TANH) ? h * (1 - s[0] * s[0]) : s[0] > 0 ? h : 0)
                }
            }
            expected += parts.flatMap { $0 } + state + extra
        }
        let error = expected.map { 16 * Double(T.ulpOfOne) * (1 + $0.magnitude) }
        let savedMemory = Fenced(saved), beforeMemory = Fenced(before), dyMemory = Fenced(dy)
        onEveryLevel("recurrent_backward mode \(mode) units \(n)") { (kernels: Kernels<T>) in
            let dhMemory = Fenced(dh), dcMemory = Fenced(dc)
            let dgates = Fenced<T>(rows * gates * n, -99), extra = Fenced<T>(rows * n, -99)
            var p = snn_recurrent_backward()
            (p.mode, p.units, p.rows) = (mode, Int64(n), Int64(rows))
            (p.saved, p.ld_saved, p.gate_stride) = (UnsafeRawPointer(savedMemory.pointer), Int64(kept * n), Int64(n))
            (p.before, p.ld_before) = (UnsafeRawPointer(beforeMemory.pointer), Int64(n))
            if withGradient { (p.dy, p.ldy) = (UnsafeRawPointer(dyMemory.pointer), Int64(n)) }
            (p.dh, p.ldh) = (UnsafeMutableRawPointer(dhMemory.pointer), Int64(whole))
            (p.dc, p.ldc) = (UnsafeMutableRawPointer(dcMemory.pointer), Int64(whole))
            (p.dgates, p.ldg) = (UnsafeMutableRawPointer(dgates.pointer), Int64(gates * n))
            if isGRU { (p.dcandidate, p.ldn) = (UnsafeMutableRawPointer(extra.pointer), Int64(n)) }
            if isLSTM { (p.full, p.ld_full) = (UnsafeMutableRawPointer(extra.pointer), Int64(n)) }
            kernels.table.recurrent_backward(&p)
            if !dhMemory.isIntact || !dcMemory.isIntact || !dgates.isIntact || !extra.isIntact {
                report("recurrent_backward on \(kernels.name) wrote in front of its memory")
            }
            var results: [T] = []
            for r in 0..<rows {
                results += dgates.values[(r * gates * n)..<((r + 1) * gates * n)]
                if isLSTM { results += dcMemory.values[(r * whole)..<(r * whole + n)] }
                if isGRU { results += dhMemory.values[(r * whole)..<(r * whole + n)] }
                if isLSTM || isGRU { results += extra.values[(r * n)..<(r * n + n)] }
            }
            return results
        } _: { _, got in
            within(got, expected, error)
        }
    }
}
