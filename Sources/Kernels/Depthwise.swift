// Depthwise convolutions: a filter of its own for every channel, too little work for a GEMM.
import CSwiftNN

/// Every output is one chain of multiply-adds over (r, s), as in the GEMM, so that it has the bits the GEMM would give.
@inline(never)
func depthwise<T: Real>(_ argument: UnsafePointer<snn_depthwise>, _: T.Type) {
    typealias V = T.Vector
    let a = argument.pointee
    let w = a.w.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let columns = Int(a.s), step = Int(a.dilation_w), stride = Int(a.stride_w)
    let rowStep = Int(a.dilation_h) &* Int(a.hs), rows = Int(a.r)
    if rows == 3 && columns == 3 && stride == 1 {
        threeByThree(a, T.self)
        return
    }
    let bias = V(T(a.bias))

    @inline(__always)
    func outputs(_ at: (UnsafePointer<T>) -> V) {
        @inline(__always) func window(_ x: UnsafePointer<T>) -> V {
            var v = bias
            var tap = w
            for r in 0..<rows {
                let row = x + r &* rowStep
                for s in 0..<columns { v = .fma(V(tap[s]), at(row + s &* step), v) }
                tap += columns
            }
            return v
        }
        eachVector(a, T.self, window)
    }

    switch stride {
    case 1: outputs { .load($0) }
    case 2: outputs { V.loadPairs($0).even }
    default:
        outputs { from in
            withUnsafeTemporaryAllocation(of: T.self, capacity: V.lanes) { buffer in
                let b = buffer.baseAddress.unsafelyUnwrapped
                for i in 0..<V.lanes { b[i] = from[i &* stride] }
                return .load(b)
            }
        }
    }
}

/// Stores body(x) for every vector of outputs, x their first window. body as what is handed to map (Rows.swift).
@inline(__always)
private func eachVector<T: Real>(_ a: snn_depthwise, _: T.Type, _ body: (UnsafePointer<T>) -> T.Vector) {
    let x = a.x.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let y = a.y.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let q = Int(a.q), rowStep = Int(a.stride_h) &* Int(a.hs), stride = Int(a.stride_w)
    for i in 0..<Int(a.p) {
        let row = x + i &* rowStep, to = y + i &* q
        walk(q, T.Vector.self) { j, left in body(row + j &* stride).put(to + j, left) }
    }
}

/// The usual filter with its taps in registers.
@inline(never)
private func threeByThree<T: Real>(_ a: snn_depthwise, _: T.Type) {
    typealias V = T.Vector
    let w = a.w.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let step = Int(a.dilation_w), rowStep = Int(a.dilation_h) &* Int(a.hs)
    let bias = V(T(a.bias))
    let w0 = V(w[0]), w1 = V(w[1]), w2 = V(w[2]), w3 = V(w[3]), w4 = V(w[4]), w5 = V(w[5]), w6 = V(w[6]), w7 = V(w[7]), w8 = V(w[8])
    @inline(__always) func window(_ x: UnsafePointer<T>) -> V {
        var v = V.fma(w0, .load(x), bias)
        v = .fma(w1, .load(x + step), v)
        v = .fma(w2, .load(x + 2 &* step), v)
        let second = x + rowStep
        v = .fma(w3, .load(second), v)
        v = .fma(w4, .load(second + step), v)
        v = .fma(w5, .load(second + 2 &* step), v)
        let third = second + rowStep
        v = .fma(w6, .load(third), v)
        v = .fma(w7, .load(third + step), v)
        return .fma(w8, .load(third + 2 &* step), v)
    }
    eachVector(a, T.self, window)
}

/// The gradient of a filter from one plane: for every tap the dot product of dy with the plane shifted by it, rows in order, lanes added
/// last. Three taps of a filter row at a time, so that a vector of dy is loaded once for them.
@inline(never)
func depthwiseGradient<T: Real>(_ argument: UnsafePointer<snn_depthwise_gradient>, _: T.Type) {
    typealias V = T.Vector
    let a = argument.pointee
    let x = a.x.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let dy = a.dy.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let sums = a.sums.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let hs = Int(a.hs), p = Int(a.p), q = Int(a.q), columns = Int(a.s)
    let rowStep = Int(a.stride_h) &* hs, phases = Int(a.phases), phase = Int(a.phase)
    @inline(__always) func column(_ t: Int) -> Int {
        let c = t &* Int(a.dilation_w)
        return phases == 1 ? c : c % phases &* phase &+ c / phases
    }
    for r in 0..<Int(a.r) {
        let top = x + r &* Int(a.dilation_h) &* hs
        let to = sums + r &* columns
        var t = 0
        while t < columns {
            // Taps behind the last one repeat it, and are dropped.
            let last = columns &- 1
            let x0 = top + column(t), x1 = top + column(min(t &+ 1, last)), x2 = top + column(min(t &+ 2, last))
            var s0 = V.zero, s1 = V.zero, s2 = V.zero
            for i in 0..<p {
                let g = dy + i &* q
                let at = i &* rowStep
                walk(q, V.self) { j, left in
                    let v = V.part(g + j, left)
                    s0 = .fma(v, .part(x0 + (at &+ j), left), s0)
                    s1 = .fma(v, .part(x1 + (at &+ j), left), s1)
                    s2 = .fma(v, .part(x2 + (at &+ j), left), s2)
                }
            }
            to[t] += s0.sum()
            if t < last { to[t &+ 1] += s1.sum() }
            if t &+ 1 < last { to[t &+ 2] += s2.sum() }
            t &+= 3
        }
    }
}
