// How pooling reads its windows: a vector of neighbouring outputs at a time, tap by tap. Along a row most
// vectors lie inside the image; those at the borders ask which of their lanes do. Planes so narrow that they have only borders are taken
// column by column, where the answer is the same for all rows. Small functions throughout: in large ones the registers run out.
import CSwiftNN

/// What is done with taps. A type, not a closure, its functions and those of the taps @_transparent: else the compiler leaves calls.
protocol TapVisitor {
    associatedtype V: Wide
    mutating func take(_ v: V, _ s: Int)
}

/// The taps of a vector of windows in one row of the image.
protocol Taps {
    associatedtype T: Real
    var kernel: Int { get set }
    /// Calls visitor.take(v, s) for the taps s = 0, 1, ...; `row` is the image's row, lanes beyond it are filled.
    func each<X: TapVisitor>(_ row: UnsafePointer<T>, _ visitor: inout X) where X.V == T.Vector
}

/// Windows at the distance of 1.
struct DenseTaps<T: Real>: Taps {
    let column: Int, dilation: Int
    var kernel: Int
    @_transparent func each<X: TapVisitor>(_ row: UnsafePointer<T>, _ visitor: inout X) where X.V == T.Vector {
        let from = row + column
        if kernel == 3 {
            // without a loop, which would be unrolled for more
            visitor.take(.load(from), 0)
            visitor.take(.load(from + dilation), 1)
            visitor.take(.load(from + 2 &* dilation), 2)
            return
        }
        for s in 0..<kernel { visitor.take(.load(from + s &* dilation), s) }
    }
}

/// Windows at the distance of 2: two neighbouring taps come from one pair of vectors.
struct PairTaps<T: Real>: Taps {
    let column: Int
    var kernel: Int
    @_transparent func each<X: TapVisitor>(_ row: UnsafePointer<T>, _ visitor: inout X) where X.V == T.Vector {
        let from = row + column
        var s = 0
        while s < kernel {
            let (even, odd) = T.Vector.loadPairs(from + s)
            visitor.take(even, s)
            if s &+ 1 < kernel { visitor.take(odd, s &+ 1) }
            s &+= 2
        }
    }
}

/// Every stride-th number of the vectors vector(0), vector(1), ..., or nil where no shuffles are known for the stride.
@inline(__always)
private func everyNumber<V: Wide>(_ stride: Int, _ vector: (Int) -> V) -> V? {
    switch stride {
    case 2: return V.unzip(vector(0), vector(1)).even
    case 3: return V.everyThird(vector(0), vector(1), vector(2))
    case 4: return V.unzip(V.unzip(vector(0), vector(1)).even, V.unzip(vector(2), vector(3)).even).even
    default: return nil
    }
}

/// Windows at any distance.
struct StridedTaps<T: Real>: Taps {
    let column: Int, stride: Int, dilation: Int
    var kernel: Int
    @_transparent func each<X: TapVisitor>(_ row: UnsafePointer<T>, _ visitor: inout X) where X.V == T.Vector {
        for s in 0..<kernel {
            let from = row + (column &+ s &* dilation)
            visitor.take(everyNumber(stride) { .load(from + $0 &* T.Vector.lanes) } ?? .load(from, stride: stride), s)
        }
    }
}

/// Which columns from `column` on lie in the image, as bits.
struct Inside {
    let column: Int, w: Int
    private let bits: UInt64
    @inline(__always) init(_ column: Int, _ w: Int) {
        (self.column, self.w) = (column, w)
        bits = Inside.bits(column, w)
    }
    @inline(__always) static func bits(_ column: Int, _ w: Int) -> UInt64 {
        let behind = w &- column
        let below: UInt64 = behind >= 64 ? ~0 : behind <= 0 ? 0 : (1 &<< UInt64(behind)) &- 1
        return column >= 0 ? below : column > -64 ? below & (~0 &<< UInt64(-column)) : 0
    }
    /// The bits from `offset` on, 32 of them at least.
    @inline(__always) func from(_ offset: Int) -> UInt64 {
        offset <= 32 ? bits &>> UInt64(offset) : Inside.bits(column &+ offset, w)
    }
}

struct DenseBorderTaps<T: Real>: Taps {
    private let inside: Inside
    var kernel: Int
    let dilation: Int, fill: T
    @inline(__always) init(column: Int, w: Int, kernel: Int, dilation: Int, fill: T) {
        inside = Inside(column, w)
        (self.kernel, self.dilation, self.fill) = (kernel, dilation, fill)
    }
    @_transparent func each<X: TapVisitor>(_ row: UnsafePointer<T>, _ visitor: inout X) where X.V == T.Vector {
        let from = row + inside.column
        for s in 0..<kernel { visitor.take(.load(from + s &* dilation, lanes: inside.from(s &* dilation), fill), s) }
    }
}

struct PairBorderTaps<T: Real>: Taps {
    private let inside: Inside
    var kernel: Int
    let fill: T
    @inline(__always) init(column: Int, w: Int, kernel: Int, fill: T) {
        inside = Inside(column, w)
        (self.kernel, self.fill) = (kernel, fill)
    }
    @_transparent func each<X: TapVisitor>(_ row: UnsafePointer<T>, _ visitor: inout X) where X.V == T.Vector {
        typealias V = T.Vector
        let from = row + inside.column
        var s = 0
        while s < kernel {
            let bits = inside.from(s)
            let (even, odd) = V.unzip(
                .load(from + s, lanes: bits, fill), .load(from + (s &+ V.lanes), lanes: bits &>> UInt64(V.lanes), fill))
            visitor.take(even, s)
            if s &+ 1 < kernel { visitor.take(odd, s &+ 1) }
            s &+= 2
        }
    }
}

struct StridedBorderTaps<T: Real>: Taps {
    let column: Int, w: Int, stride: Int, dilation: Int, fill: T
    var kernel: Int
    @_transparent func each<X: TapVisitor>(_ row: UnsafePointer<T>, _ visitor: inout X) where X.V == T.Vector {
        typealias V = T.Vector
        for s in 0..<kernel {
            let first = column &+ s &* dilation
            let known: V? = everyNumber(stride) { i in
                let at = first &+ i &* V.lanes
                return .load(row + at, lanes: Inside.bits(at, w), fill)
            }
            visitor.take(known ?? StridedBorderTaps.gather(row, first, w, stride, fill), s)
        }
    }
    @inline(never) private static func gather(_ row: UnsafePointer<T>, _ first: Int, _ w: Int, _ stride: Int, _ fill: T) -> T.Vector {
        withUnsafeTemporaryAllocation(of: T.self, capacity: T.Vector.lanes) { buffer in
            let b = buffer.baseAddress.unsafelyUnwrapped
            T.Vector(fill).store(b)
            var at = first
            for i in 0..<T.Vector.lanes {
                if at >= 0 && at < w { b[i] = row[at] }
                at &+= stride
            }
            return .load(b)
        }
    }
}

/// The columns of windows along rows of w numbers.
struct WindowColumns<T: Real> {
    let w: Int, kernel: Int, stride: Int, padding: Int, dilation: Int
    /// The outputs whose vectors lie inside the row, whole vectors of them.
    let innerBegin: Int, innerEnd: Int
    /// The numbers that a vector of windows reads.
    let reach: Int

    @inline(__always) init(w: Int64, kernel: Int64, stride: Int64, padding: Int64, dilation: Int64, q: Int64) {
        (self.w, self.kernel, self.stride) = (Int(w), Int(kernel), Int(stride))
        (self.padding, self.dilation) = (Int(padding), Int(dilation))
        let lanes = T.Vector.lanes
        // Taps are picked out of whole vectors; those of stride 2 come in pairs.
        let last = self.stride == 2 && dilation == 1 ? (self.kernel &- 1) & ~1 : (self.kernel &- 1) &* self.dilation
        reach = last &+ lanes &* self.stride
        innerBegin = ((self.padding &+ self.stride &- 1) / self.stride &+ lanes &- 1) / lanes &* lanes
        let room = self.w &+ self.padding &- reach
        let fitting = room < 0 ? 0 : (room / self.stride) / lanes &* lanes &+ lanes
        innerEnd = min(fitting, (Int(q) &+ lanes &- 1) / lanes &* lanes)
    }
    @inline(__always) func column(_ j: Int) -> Int { j &* stride &- padding }

    /// Calls body(j) for the vectors of q outputs that do not lie inside.
    @inline(__always) func eachBorder(_ q: Int, _ body: (Int) -> Void) {
        var j = 0
        while j < q {
            if j == innerBegin && innerBegin < innerEnd {
                j = innerEnd
            } else {
                body(j)
                j &+= T.Vector.lanes
            }
        }
    }
}

/// Cuts planes of `size` numbers into groups that the first-level cache holds: body(first, count).
@inline(__always)
func eachBlock(_ planes: Int, size: Int, _ body: (Int, Int) -> Void) {
    let atOnce = max(1, 4096 / max(1, size))
    var plane = 0
    while plane < planes {
        body(plane, min(atOnce, planes &- plane))
        plane &+= atOnce
    }
}

/// A way of reading the taps of windows, inside rows and at their borders.
protocol TapKind {
    associatedtype T: Real
    associatedtype Inner: Taps where Inner.T == T
    associatedtype Border: Taps where Border.T == T
    /// For windows from `column` on.
    static func inner(_ c: WindowColumns<T>, _ column: Int) -> Inner
    static func border(_ c: WindowColumns<T>, _ j: Int, _ fill: T) -> Border
}

enum Dense<T: Real>: TapKind {
    @inline(__always) static func inner(_ c: WindowColumns<T>, _ column: Int) -> DenseTaps<T> {
        DenseTaps(column: column, dilation: c.dilation, kernel: c.kernel)
    }
    @inline(__always) static func border(_ c: WindowColumns<T>, _ j: Int, _ fill: T) -> DenseBorderTaps<T> {
        DenseBorderTaps(column: c.column(j), w: c.w, kernel: c.kernel, dilation: c.dilation, fill: fill)
    }
}

enum Pairs<T: Real>: TapKind {
    @inline(__always) static func inner(_ c: WindowColumns<T>, _ column: Int) -> PairTaps<T> {
        PairTaps(column: column, kernel: c.kernel)
    }
    @inline(__always) static func border(_ c: WindowColumns<T>, _ j: Int, _ fill: T) -> PairBorderTaps<T> {
        PairBorderTaps(column: c.column(j), w: c.w, kernel: c.kernel, fill: fill)
    }
}

enum Strided<T: Real>: TapKind {
    @inline(__always) static func inner(_ c: WindowColumns<T>, _ column: Int) -> StridedTaps<T> {
        StridedTaps(column: column, stride: c.stride, dilation: c.dilation, kernel: c.kernel)
    }
    @inline(__always) static func border(_ c: WindowColumns<T>, _ j: Int, _ fill: T) -> StridedBorderTaps<T> {
        StridedBorderTaps(column: c.column(j), w: c.w, stride: c.stride, dilation: c.dilation, fill: fill, kernel: c.kernel)
    }
}

/// The rows of windows down an image of h rows.
struct WindowRows {
    let h: Int, kernel: Int, stride: Int, padding: Int, dilation: Int

    @inline(__always) init(h: Int64, kernel: Int64, stride: Int64, padding: Int64, dilation: Int64) {
        (self.h, self.kernel, self.stride) = (Int(h), Int(kernel), Int(stride))
        (self.padding, self.dilation) = (Int(padding), Int(dilation))
    }

    @inline(__always) func top(_ p: Int) -> Int { p &* stride &- padding }

    /// The taps first ..< end of output row p that lie in the image; where there is none, the first one that is not above it.
    @inline(__always) func inside(_ p: Int) -> (first: Int, end: Int) {
        let top = top(p)
        if top >= 0 && top &+ (kernel &- 1) &* dilation < h { return (0, kernel) }
        var first = top < 0 ? -top : 0, end = h > top ? h &- top : 0
        if dilation > 1 {
            first = (first &+ dilation &- 1) / dilation
            end = (end &+ dilation &- 1) / dilation
        }
        end = end < kernel ? end : kernel
        return (first, end > first ? end : first)
    }
}

/// The planes and rows of a call.
struct PoolPlanes<T: Real> {
    let x: UnsafePointer<T>, cs: Int, hs: Int
    let rows: WindowRows, columns: WindowColumns<T>
    let planes: Int, p: Int, q: Int, p0: Int, p1: Int
    let y: UnsafeMutablePointer<T>, indices: UnsafeMutablePointer<Int64>?, scratch: UnsafeMutablePointer<T>

    @inline(__always) init(_ a: snn_pool) {
        x = a.x.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
        (cs, hs) = (Int(a.cs), Int(a.hs))
        rows = WindowRows(h: a.h, kernel: a.kernel_h, stride: a.stride_h, padding: a.pad_h, dilation: a.dilation_h)
        columns = WindowColumns(
            w: a.w, kernel: a.kernel_w, stride: a.stride_w, padding: a.pad_w, dilation: a.dilation_w, q: a.q)
        (planes, p, q, p0, p1) = (Int(a.planes), Int(a.p), Int(a.q), Int(a.p0), Int(a.p1))
        y = a.y.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
        indices = a.indices
        scratch = a.scratch.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    }
}
