// Shapes and strided views of arrays that belong to the caller.
import CSwiftNN

/// Up to SNN_MAX_DIMS sizes. Inlined throughout, with the views below: the checks of a small call cost as much as its work, and most of
/// that was copies of shapes between functions.
struct Shape: Equatable {
    private(set) var count: Int
    private var sizes: InlineArray<8, Int>

    @inline(__always) init() {
        count = 0
        sizes = InlineArray(repeating: 0)
    }
    @inline(__always) init(_ a: Int) {
        self.init()
        append(a)
    }
    @inline(__always) init(_ a: Int, _ b: Int) {
        self.init(a)
        append(b)
    }
    @inline(__always) init(_ a: Int, _ b: Int, _ c: Int) {
        self.init(a, b)
        append(c)
    }
    @inline(__always) init(_ a: Int, _ b: Int, _ c: Int, _ d: Int) {
        self.init(a, b, c)
        append(d)
    }
    /// What lies behind the array's dimensions is copied along: cheaper than a loop, and never looked at.
    @inline(__always) init(_ array: UnsafePointer<snn_array>) {
        count = Int(array.pointee.ndim)
        sizes = UnsafeRawPointer(snn_shape(array).unsafelyUnwrapped).loadUnaligned(as: InlineArray<8, Int>.self)
    }

    subscript(i: Int) -> Int {
        @inline(__always) get { sizes[i] }
        @inline(__always) set { sizes[i] = newValue }
    }
    @inline(__always) mutating func append(_ size: Int) {
        sizes[count] = size
        count += 1
    }
    /// The sizes i ..< j.
    func slice(_ i: Int, _ j: Int) -> Shape {
        var part = Shape()
        for k in i..<max(i, j) { part.append(sizes[k]) }
        return part
    }
    /// The number of bytes that elements of itemSize take; nil where it does not fit.
    @inline(__always) func bytes(itemSize: Int) -> Int? {
        var n = itemSize
        var overflowed = false
        for i in 0..<count {
            if sizes[i] == 0 { return 0 }
            let (product, overflow) = n.multipliedReportingOverflow(by: sizes[i])
            n = product
            overflowed = overflowed || overflow
        }
        return overflowed ? nil : n
    }
    /// Whether no size is negative and the number of elements, were sizes of 0 left out, is below 2^62 and so overflows nowhere.
    @inline(__always) var isPossible: Bool {
        var bits = 0
        for i in 0..<count { bits &+= 64 &- sizes[i].leadingZeroBitCount }
        return bits <= 62
    }
    /// The number of elements of a shape that an array has.
    var size: Int {
        var n = 1
        for i in 0..<count { n &*= sizes[i] }
        return n
    }
    @inline(__always) static func == (a: Shape, b: Shape) -> Bool {
        if a.count != b.count { return false }
        for i in 0..<a.count where a.sizes[i] != b.sizes[i] { return false }
        return true
    }
}

/// A strided array of T; strides count elements.
struct ArrayView<T> {
    let data: UnsafePointer<T>
    private(set) var shape: Shape
    private(set) var strides: Shape

    @inline(__always) init(data: UnsafePointer<T>, shape: Shape, strides: Shape) {
        self.data = data
        self.shape = shape
        self.strides = strides
    }
    /// C order.
    init(data: UnsafePointer<T>, shape: Shape) {
        var strides = shape
        var step = 1
        for i in stride(from: shape.count - 1, through: 0, by: -1) {
            strides[i] = step
            step &*= shape[i]
        }
        self.init(data: data, shape: shape, strides: strides)
    }
    @inline(__always) init(_ array: UnsafePointer<snn_array>) {
        // An empty array may come without memory; nothing is read from it.
        let memory = array.pointee.data ?? UnsafeMutableRawPointer(bitPattern: 64).unsafelyUnwrapped
        data = UnsafePointer(memory.assumingMemoryBound(to: T.self))
        shape = Shape(array)
        strides = Shape()
        let bytes = snn_strides(array).unsafelyUnwrapped
        for i in 0..<shape.count { strides.append(Int(bytes[i]) / MemoryLayout<T>.stride) }
    }

    var count: Int { shape.count }
    var size: Int { shape.size }

    var isContiguous: Bool {
        var step = 1
        for i in stride(from: shape.count - 1, through: 0, by: -1) {
            if shape[i] == 0 { return true }
            if shape[i] != 1 && strides[i] != step { return false }
            step &*= shape[i]
        }
        return true
    }
    /// Entries first ..< first + n of the first dimension.
    func rows(_ first: Int, _ n: Int) -> ArrayView {
        var part = ArrayView(data: data + first * strides[0], shape: shape, strides: strides)
        part.shape[0] = n
        return part
    }
    /// The same elements with the dimensions i and j swapped.
    func swapped(_ i: Int, _ j: Int) -> ArrayView {
        var view = self
        (view.shape[i], view.shape[j]) = (shape[j], shape[i])
        (view.strides[i], view.strides[j]) = (strides[j], strides[i])
        return view
    }
    /// The same elements with a dimension of size 1 put in at i.
    func inserting(at i: Int) -> ArrayView {
        var newShape = Shape()
        var newStrides = Shape()
        for k in 0...shape.count {
            if k == i {
                newShape.append(1)
                newStrides.append(0)
            }
            if k < shape.count {
                newShape.append(shape[k])
                newStrides.append(strides[k])
            }
        }
        return ArrayView(data: data, shape: newShape, strides: newStrides)
    }
    /// The view with as few dimensions as its strides allow: neighbours that lie in one run are merged, sizes of 1 dropped.
    func collapsed() -> ArrayView {
        var newShape = Shape()
        var newStrides = Shape()
        for i in 0..<shape.count {
            if shape[i] == 1 { continue }
            let last = newShape.count - 1
            if last >= 0 && newStrides[last] == strides[i] &* shape[i] {
                newShape[last] = newShape[last] &* shape[i]
                newStrides[last] = strides[i]
            } else {
                newShape.append(shape[i])
                newStrides.append(strides[i])
            }
        }
        return ArrayView(data: data, shape: newShape, strides: newStrides)
    }
    /// The offset of the flat index `row` over the first `dims` dimensions.
    @inline(__always)
    func offset(_ row: Int, dims: Int) -> Int {
        var rest = row
        var at = 0
        var i = dims - 1
        while i >= 0 {
            at &+= (rest % shape[i]) &* strides[i]
            rest /= shape[i]
            i -= 1
        }
        return at
    }
}

/// Whether `array` has memory to compute into. Without, fills in its type, shape and C strides (the shape query of swiftnn.h), and
/// allocates the memory where the caller has asked for it.
func output(_ array: UnsafeMutablePointer<snn_array>?, _ dtype: Int32, _ shape: Shape) throws(Failure) -> Bool {
    guard let array else { throw Message("an output of the operation is NULL").valueError }
    let itemSize = Int(snn_itemsize(dtype))
    guard let bytes = shape.bytes(itemSize: itemSize) else {
        throw Message("the result's shape ").shape(shape).text(" has more elements than memory can hold").shapeError
    }
    let sizes = snn_shape_mutable(array).unsafelyUnwrapped
    let strides = snn_strides_mutable(array).unsafelyUnwrapped
    var step = itemSize
    if array.pointee.data != nil {
        var fits = array.pointee.dtype == dtype && array.pointee.ndim == Int32(shape.count)
        if fits {
            for i in stride(from: shape.count - 1, through: 0, by: -1) {
                fits = fits && Int(sizes[i]) == shape[i] && (shape[i] == 1 || Int(strides[i]) == step || bytes == 0)
                step &*= shape[i]
            }
        }
        guard fits else {
            throw Message("the output array is not what the shape query asked for: C-contiguous ").dtype(dtype).text(" of shape ")
                .shape(shape).valueError
        }
        return true
    }
    let allowed = array.pointee.ndim < 0 ? Int(sizes[0]) : -1
    array.pointee.dtype = dtype
    array.pointee.ndim = Int32(shape.count)
    for i in stride(from: shape.count - 1, through: 0, by: -1) {
        sizes[i] = Int64(shape[i])
        strides[i] = Int64(step)
        step &*= max(shape[i], 1)
    }
    if bytes > allowed { return false }
    // Where there is no memory, the caller finds out when it allocates the result itself.
    array.pointee.data = snn_allocate(max(bytes, 1))
    return array.pointee.data != nil
}

/// The same for a result that the caller may do without (NULL): true then too.
func outputIfWanted(_ array: UnsafeMutablePointer<snn_array>?, _ dtype: Int32, _ shape: Shape) throws(Failure) -> Bool {
    array == nil ? true : try output(array, dtype, shape)
}
