// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {ICreditLine} from "./interfaces/ICreditLine.sol";
import {Message, MessageId, MessageKind, MessageLib} from "./MessageLib.sol";
import {MessageReceiver} from "./MessageReceiver.sol";

/// @title Credit against collateral that lies elsewhere
contract CreditLine is MessageReceiver, ReentrancyGuard, ICreditLine {
    using SafeERC20 for IERC20;

    /* STORAGE */

    uint256 private constant RAY = 1e27;
    // About 315 % a year; even compounded every second the index lasts for more than 30 years.
    uint256 private constant RATE_PER_SECOND_RAY_MAX = 1e20;

    /// @inheritdoc ICreditLine
    address public immutable debtToken;
    /// @inheritdoc ICreditLine
    uint256 public immutable ratePerSecondRay;

    /// @inheritdoc ICreditLine
    uint256 public indexStored = RAY;
    /// @inheritdoc ICreditLine
    uint64 public lastAccruedAt;
    /// @inheritdoc ICreditLine
    uint256 public scaledDebtTotal;
    /// @inheritdoc ICreditLine
    mapping(bytes32 account => uint256) public scaledDebtOf;
    /// @inheritdoc ICreditLine
    mapping(address supplier => uint256) public suppliedBy; // [debt token base units]
    mapping(bytes32 account => Grant) private _grants;
    mapping(bytes32 account => uint256) private _nonceMin;

    /* CONSTRUCTOR */

    /// @param hubKey_ Key of the hub, keccak256("hub:<deployment>").
    /// @param members Guardians of set 0, strictly ascending.
    /// @param threshold Signatures a message needs, a majority of the members.
    /// @param overlapSeconds_ How long a replaced set stays valid.
    /// @param debtToken_ The token that is lent.
    /// @param ratePerSecondRay_ Interest per second, x 1e27.
    constructor(
        bytes32 hubKey_,
        address[] memory members,
        uint8 threshold,
        uint64 overlapSeconds_,
        address debtToken_,
        uint256 ratePerSecondRay_
    ) MessageReceiver(hubKey_, members, threshold, overlapSeconds_) {
        _requireRecipient(debtToken_);
        require(
            ratePerSecondRay_ <= RATE_PER_SECOND_RAY_MAX,
            CreditLineRateTooHigh(ratePerSecondRay_, RATE_PER_SECOND_RAY_MAX)
        );
        debtToken = debtToken_;
        ratePerSecondRay = ratePerSecondRay_;
        lastAccruedAt = uint64(block.timestamp);
    }

    /* EXTERNAL */

    /// @inheritdoc ICreditLine
    function grant(
        bytes calldata message,
        uint32 guardianSetIndex,
        bytes[] calldata signatures
    ) external {
        _requireCurrentSet(guardianSetIndex);
        (Message memory decoded, MessageId messageId) =
            _accept(message, guardianSetIndex, signatures);
        require(decoded.kind == MessageKind.CREDIT_GRANT, MessageReceiverWrongKind(decoded.kind));
        bytes32 account = decoded.account;
        require(account != 0, CreditLineAccountZero());
        address token = MessageLib.toAddress(decoded.token);
        require(token == debtToken, CreditLineWrongToken(token, debtToken));
        address borrower = MessageLib.toAddress(decoded.recipient);
        _requireRecipient(borrower);
        uint256 nonceMin = _nonceMin[account];
        require(
            decoded.nonce >= nonceMin, CreditLineNonceOutdated(account, decoded.nonce, nonceMin)
        );

        _nonceMin[account] = uint256(decoded.nonce) + 1;
        _grants[account] = Grant({
            borrower: borrower, expiry: decoded.expiry, nonce: decoded.nonce, limit: decoded.amount
        });
        emit CreditGranted(
            messageId, account, borrower, decoded.amount, decoded.expiry, decoded.nonce
        );
    }

    /// @inheritdoc ICreditLine
    function borrow(
        bytes32 account,
        uint256 amount,
        address recipient
    ) external nonReentrant {
        Grant storage granted = _grants[account];
        require(
            msg.sender == granted.borrower,
            CreditLineNotBorrower(account, msg.sender, granted.borrower)
        );
        require(
            block.timestamp <= granted.expiry,
            CreditLineGrantExpired(account, granted.expiry, block.timestamp)
        );
        require(amount != 0, CreditLineAmountZero());
        _requireRecipient(recipient);
        uint256 available = liquidity();
        require(amount <= available, CreditLineLiquidityShort(amount, available));
        uint256 indexRay = _accrue();
        uint256 scaledAdded = _scaledUp(amount, indexRay);
        uint256 scaledAfter = scaledDebtOf[account] + scaledAdded;
        uint256 debtAfter = _debtUp(scaledAfter, indexRay);
        require(
            debtAfter <= granted.limit, CreditLineLimitExceeded(account, debtAfter, granted.limit)
        );

        scaledDebtOf[account] = scaledAfter;
        scaledDebtTotal += scaledAdded;
        emit Borrowed(account, msg.sender, recipient, amount, scaledAfter, indexRay);
        _push(recipient, amount);
    }

    /// @inheritdoc ICreditLine
    function repay(
        bytes32 account,
        uint256 amount
    ) external nonReentrant {
        uint256 scaledBefore = scaledDebtOf[account];
        require(scaledBefore != 0, CreditLineNoDebt(account));
        require(amount != 0, CreditLineAmountZero());
        uint256 indexRay = _accrue();
        uint256 debt = _debtUp(scaledBefore, indexRay);
        uint256 paid = amount < debt ? amount : debt;
        uint256 scaledBurned = amount < debt ? _scaledDown(amount, indexRay) : scaledBefore;
        require(scaledBurned != 0, CreditLineRepaymentTooSmall(account, amount));

        uint256 scaledAfter = scaledBefore - scaledBurned;
        scaledDebtOf[account] = scaledAfter;
        scaledDebtTotal -= scaledBurned;
        emit Repaid(account, msg.sender, paid, scaledAfter, indexRay);
        _pull(paid);
    }

    /// @inheritdoc ICreditLine
    function supply(
        uint256 amount
    ) external nonReentrant {
        require(amount != 0, CreditLineAmountZero());
        uint256 suppliedAfter = suppliedBy[msg.sender] + amount;
        suppliedBy[msg.sender] = suppliedAfter;
        emit Supplied(msg.sender, amount, suppliedAfter);
        _pull(amount);
    }

    /// @inheritdoc ICreditLine
    function withdraw(
        uint256 amount,
        address recipient
    ) external nonReentrant {
        require(amount != 0, CreditLineAmountZero());
        _requireRecipient(recipient);
        uint256 supplied = suppliedBy[msg.sender];
        require(amount <= supplied, CreditLineSupplyShort(msg.sender, amount, supplied));
        uint256 available = liquidity();
        require(amount <= available, CreditLineLiquidityShort(amount, available));

        suppliedBy[msg.sender] = supplied - amount;
        emit Withdrawn(msg.sender, recipient, amount, supplied - amount);
        _push(recipient, amount);
    }

    /* INTERNAL */

    /// @dev Add the interest since the last accrual to the index.
    function _accrue() private returns (uint256 indexRay) {
        indexRay = index();
        indexStored = indexRay;
        lastAccruedAt = uint64(block.timestamp);
    }

    /// @dev Take an exact amount from the caller, or revert.
    function _pull(
        uint256 amount
    ) private {
        uint256 balanceBefore = liquidity();
        IERC20(debtToken).safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = liquidity() - balanceBefore;
        // Exactness is the rule here, not a trap: the books say that this amount came.
        // slither-disable-next-line incorrect-equality
        require(received == amount, CreditLineArrivalMismatch(amount, received));
    }

    /// @dev Pay out, and refuse a token that takes more from the pool than was paid: the surplus
    /// would be the other suppliers'.
    function _push(
        address recipient,
        uint256 amount
    ) private {
        uint256 balanceExpected = liquidity() - amount;
        IERC20(debtToken).safeTransfer(recipient, amount);
        uint256 balance = liquidity();
        require(balance >= balanceExpected, CreditLineOverpaid(balanceExpected, balance));
    }

    /// @dev Refuse addresses that would lose the payment.
    function _requireRecipient(
        address recipient
    ) private view {
        require(
            recipient != address(0) && recipient != address(this),
            CreditLineRecipientInvalid(recipient)
        );
    }

    /// @dev Return debt for scaled debt, rounded up. [debt token base units]
    function _debtUp(
        uint256 scaled,
        uint256 indexRay
    ) private pure returns (uint256) {
        return Math.mulDiv(scaled, indexRay, RAY, Math.Rounding.Ceil);
    }

    /// @dev Return scaled debt for an amount, rounded up. [scaled units]
    function _scaledUp(
        uint256 amount,
        uint256 indexRay
    ) private pure returns (uint256) {
        return Math.mulDiv(amount, RAY, indexRay, Math.Rounding.Ceil);
    }

    /// @dev Return scaled debt for an amount, rounded down. [scaled units]
    function _scaledDown(
        uint256 amount,
        uint256 indexRay
    ) private pure returns (uint256) {
        return Math.mulDiv(amount, RAY, indexRay, Math.Rounding.Floor);
    }

    /* VIEWS */

    /// @inheritdoc ICreditLine
    function debtOf(
        bytes32 account
    ) external view returns (uint256) {
        return _debtUp(scaledDebtOf[account], index());
    }

    /// @inheritdoc ICreditLine
    function grantOf(
        bytes32 account
    ) external view returns (Grant memory) {
        return _grants[account];
    }

    /// @inheritdoc ICreditLine
    function index() public view returns (uint256) {
        uint256 elapsedSeconds = block.timestamp - lastAccruedAt;
        uint256 growthRay =
            Math.mulDiv(indexStored, ratePerSecondRay * elapsedSeconds, RAY, Math.Rounding.Ceil);
        return indexStored + growthRay;
    }

    /// @inheritdoc ICreditLine
    function liquidity() public view returns (uint256) {
        return IERC20(debtToken).balanceOf(address(this));
    }
}
